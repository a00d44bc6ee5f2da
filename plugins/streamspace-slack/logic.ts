import type { SlackSettings } from './settings.ts';

/** Limits that Slack puts on a message (https://docs.slack.dev/reference/block-kit). */
export const SLACK_LIMITS = { header: 150, sectionText: 3000, fields: 10, fieldText: 2000, text: 3000 } as const;

interface Text {
  readonly type: 'plain_text' | 'mrkdwn';
  readonly text: string;
  readonly emoji?: boolean;
  readonly verbatim?: boolean;
}

export type Block =
  | { readonly type: 'header'; readonly text: Text }
  | { readonly type: 'section'; readonly text?: Text; readonly fields?: readonly Text[] }
  | { readonly type: 'context'; readonly elements: readonly Text[] };

export interface SlackMessage {
  /** What notifications and screen readers show. */
  readonly text: string;
  readonly blocks: readonly Block[];
  readonly channel?: string;
  readonly username?: string;
  readonly icon_emoji?: string;
  readonly icon_url?: string;
}

/** Something that happened on the platform. */
export interface Happening {
  readonly name: EventName;
  readonly id: string;
  /** Milliseconds since 1970. */
  readonly time: number;
  readonly data: unknown;
}

/** The events that can be told about, each with the setting that turns it on. */
export const EVENTS = {
  'session.created': { toggle: 'notifyOnSessionCreated', title: 'Session created', emoji: ':desktop_computer:' },
  'session.started': { toggle: 'notifyOnSessionStarted', title: 'Session started', emoji: ':arrow_forward:' },
  'session.stopped': { toggle: 'notifyOnSessionStopped', title: 'Session stopped', emoji: ':black_square_for_stop:' },
  'session.hibernated': { toggle: 'notifyOnSessionHibernated', title: 'Session hibernated', emoji: ':zzz:' },
  'session.woken': { toggle: 'notifyOnSessionWoken', title: 'Session woken', emoji: ':sunrise:' },
  'session.deleted': { toggle: 'notifyOnSessionDeleted', title: 'Session deleted', emoji: ':wastebasket:' },
  'user.created': { toggle: 'notifyOnUserCreated', title: 'User created', emoji: ':bust_in_silhouette:' },
  'user.updated': { toggle: 'notifyOnUserUpdated', title: 'User updated', emoji: ':pencil2:' },
  'user.deleted': { toggle: 'notifyOnUserDeleted', title: 'User deleted', emoji: ':no_entry_sign:' },
  'user.login': { toggle: 'notifyOnUserLogin', title: 'User signed in', emoji: ':key:' },
  'user.logout': { toggle: 'notifyOnUserLogout', title: 'User signed out', emoji: ':wave:' },
} as const;

export type EventName = keyof typeof EVENTS;

export const EVENT_NAMES = Object.keys(EVENTS) as readonly EventName[];

/** What a detailed message shows of an event's data: the label, and where the value is found (the first that is there). */
const SESSION_FIELDS: readonly (readonly [string, ...string[]])[] = [
  ['User', 'user.name', 'user.email', 'userName', 'user', 'userId'],
  ['Template', 'template.displayName', 'template.name', 'templateName', 'template', 'templateId'],
  ['Session', 'name', 'id'],
  ['State', 'state', 'status'],
  ['CPU', 'resources.cpu', 'cpu'],
  ['Memory', 'resources.memory', 'memory'],
  ['Node', 'node'],
];
const USER_FIELDS: readonly (readonly [string, ...string[]])[] = [
  ['Name', 'name'],
  ['Email', 'email'],
  ['Role', 'role'],
];

/** Builds the message about an event. Nothing in its data can mention people, make links or break Slack's limits. */
export function eventMessage(event: Happening, settings: SlackSettings): SlackMessage {
  const { title, emoji } = EVENTS[event.name];
  const isSession = event.name.startsWith('session.');
  const facts = findFacts(event.data, isSession ? SESSION_FIELDS : USER_FIELDS);
  const short = facts.slice(0, isSession ? 2 : 1).map((fact) => fact.value);
  const summary = [title, ...short].join(' · ');
  if (settings.detailLevel === 'summary') {
    const line = [`${emoji} *${title}*`, ...short.map((value) => escapeText(value, 1000))].join(' · ');
    return address({ text: summary, blocks: [{ type: 'section', text: mrkdwn(line) }] }, settings);
  }
  const fields = facts
    .slice(0, SLACK_LIMITS.fields)
    .map(({ label, value }) => mrkdwn(`*${label}*\n${escapeText(value, SLACK_LIMITS.fieldText - 100)}`));
  const blocks: Block[] = [
    { type: 'header', text: { type: 'plain_text', text: cut(`${emoji} ${title}`, SLACK_LIMITS.header), emoji: true } },
    ...(fields.length > 0 ? [{ type: 'section' as const, fields }] : []),
    { type: 'context', elements: [mrkdwn(`${localTime(event.time)} · ${escapeText(event.id, 200)}`)] },
  ];
  return address({ text: summary, blocks }, settings);
}

/** The message of the connection test. */
export function testMessage(settings: SlackSettings): SlackMessage {
  const line = ':white_check_mark: *StreamSpace is connected.* Notifications will be posted here.';
  return address({ text: 'StreamSpace is connected.', blocks: [{ type: 'section', text: mrkdwn(line) }] }, settings);
}

/** The one line that stands for the messages of an hour that were over the limit. */
export function suppressedMessage(count: number, hourStart: number, settings: SlackSettings): SlackMessage {
  const what = `${count} ${count === 1 ? 'notification was' : 'notifications were'} left out`;
  const line = `:mute: ${what} in the hour from ${localTime(hourStart)}: the limit is ${settings.rateLimitPerHour} an hour.`;
  return address({ text: `${what} in the last hour.`, blocks: [{ type: 'section', text: mrkdwn(line) }] }, settings);
}

/**
 * Escapes the three characters that Slack gives a meaning in text (`&`, `<`, `>`), so that no mention, link or date can
 * be smuggled in, and cuts the result to `max` UTF-16 units without splitting a character or an escape.
 */
export function escapeText(text: string, max: number): string {
  return fit(text, max, (character) => ESCAPES[character] ?? character);
}

const ESCAPES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;' };

/** Cuts to `max` UTF-16 units, the last of which is an ellipsis; whole characters only. */
export function cut(text: string, max: number): string {
  return fit(text, max, (character) => character);
}

function fit(text: string, max: number, write: (character: string) => string): string {
  let kept = '';
  let room = '';
  for (const character of text) {
    const written = write(character);
    if (kept.length + written.length > max) return `${room}…`;
    kept += written;
    if (kept.length < max) room = kept;
  }
  return kept;
}

/** `verbatim`: Slack makes no links or mentions of what merely looks like one. */
function mrkdwn(text: string): Text {
  return { type: 'mrkdwn', text, verbatim: true };
}

/** Shown in the reader's own time zone; the part after `|` is for clients that cannot. */
function localTime(time: number): string {
  const iso = new Date(time).toISOString().replace(/\.\d+Z$/, 'Z');
  return `<!date^${Math.floor(time / 1000)}^{date_short_pretty} {time}|${iso}>`;
}

function address(message: { text: string; blocks: readonly Block[] }, settings: SlackSettings): SlackMessage {
  const { channel, username, iconEmoji, iconUrl } = settings;
  return {
    text: escapeText(message.text, SLACK_LIMITS.text),
    blocks: message.blocks,
    ...(channel !== '' && { channel }),
    ...(username !== '' && { username }),
    // Slack takes one icon; an image is the more deliberate choice.
    ...(iconUrl !== '' ? { icon_url: iconUrl } : iconEmoji !== '' && { icon_emoji: iconEmoji }),
  };
}

function findFacts(data: unknown, wanted: readonly (readonly [string, ...string[]])[]) {
  return wanted.flatMap(([label, ...paths]) => {
    const value = paths.map((path) => textAt(data, path)).find((text) => text !== '');
    return value === undefined ? [] : [{ label, value }];
  });
}

function textAt(data: unknown, path: string): string {
  let value = data;
  for (const key of path.split('.')) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) return '';
    value = (value as Record<string, unknown>)[key];
  }
  return typeof value === 'string' || typeof value === 'number' ? String(value).trim() : '';
}
