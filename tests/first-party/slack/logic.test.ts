import { describe, expect, test } from 'bun:test';
import {
  cut,
  EVENT_NAMES,
  EVENTS,
  escapeText,
  eventMessage,
  SLACK_LIMITS,
  suppressedMessage,
  testMessage,
} from '../../../plugins/streamspace-slack/logic.ts';
import { judgePayload } from '../../kit/slack-payload.ts';
import { settings } from './settings.ts';

const time = Date.UTC(2026, 10, 21, 9, 30);
const session = {
  id: 's-42',
  user: { name: 'Ada', email: 'ada@example.com' },
  template: { name: 'firefox', displayName: 'Firefox' },
  state: 'running',
  resources: { cpu: '2', memory: '4Gi' },
};
const user = { id: 'u-1', name: 'Ada Lovelace', email: 'ada@example.com', role: 'admin' };
const dataOf = (name: string): object => (name.startsWith('session.') ? session : user);

describe('eventMessage', () => {
  for (const name of EVENT_NAMES) {
    for (const detailLevel of ['summary', 'detailed'] as const) {
      test(`${name}, ${detailLevel}: Slack takes it, and it says what happened`, () => {
        const message = eventMessage({ name, id: 'e-1', time, data: dataOf(name) }, settings({ detailLevel }));
        expect(judgePayload(message)).toMatchObject({ ok: true });
        expect(message.text).toContain(EVENTS[name].title);
        expect(message.text).toContain('Ada');
        expect(JSON.stringify(message.blocks)).toContain('Ada');
      });
    }
  }

  test('the detailed form shows the facts in columns, and the time', () => {
    const message = eventMessage({ name: 'session.created', id: 'e-1', time, data: session }, settings());
    expect(message.blocks.map((block) => block.type)).toEqual(['header', 'section', 'context']);
    expect(message.blocks[1]).toMatchObject({
      fields: [
        { text: '*User*\nAda' },
        { text: '*Template*\nFirefox' },
        { text: '*Session*\ns-42' },
        { text: '*State*\nrunning' },
        { text: '*CPU*\n2' },
        { text: '*Memory*\n4Gi' },
      ],
    });
    expect(message.blocks[2]).toMatchObject({
      elements: [{ text: `<!date^${time / 1000}^{date_short_pretty} {time}|2026-11-21T09:30:00Z> · e-1` }],
    });
  });

  test('the summary is one line', () => {
    const message = eventMessage(
      { name: 'user.login', id: 'e-1', time, data: user },
      settings({ detailLevel: 'summary' }),
    );
    expect(message.blocks).toEqual([
      { type: 'section', text: { type: 'mrkdwn', text: ':key: *User signed in* · Ada Lovelace', verbatim: true } },
    ]);
  });

  test('nothing in the data can mention people or make a link', () => {
    const data = { ...user, name: '<!channel> <https://evil.example|click> & <@U123>' };
    for (const detailLevel of ['summary', 'detailed'] as const) {
      const sent = JSON.stringify(
        eventMessage({ name: 'user.created', id: '<!here>', time, data }, settings({ detailLevel })),
      );
      expect(sent).not.toMatch(/<(?!!date\^)/);
      expect(sent).toContain('&lt;!channel&gt; &lt;https://evil.example|click&gt; &amp; &lt;@U123&gt;');
    }
  });

  test('huge and odd data stays within what Slack takes', () => {
    const huge = '<&>😀'.repeat(5000);
    const oddities: unknown[] = [
      null,
      'text',
      7,
      [],
      {},
      { name: {}, email: [], role: null },
      { name: '   ', email: '' },
      { name: huge, email: huge, role: huge },
      JSON.parse('{"__proto__": {"name": "polluted"}}'),
    ];
    for (const name of EVENT_NAMES) {
      for (const data of [
        ...oddities,
        { user: huge, template: huge, id: huge, state: huge, cpu: huge, memory: huge, node: huge },
      ]) {
        for (const detailLevel of ['summary', 'detailed'] as const) {
          const message = eventMessage({ name, id: huge, time, data }, settings({ detailLevel }));
          expect(judgePayload(message)).toMatchObject({ ok: true });
        }
      }
    }
  });

  test('inherited members of the data are not read', () => {
    const data = Object.create({ name: 'inherited' });
    const message = eventMessage({ name: 'user.created', id: 'e-1', time, data }, settings());
    expect(JSON.stringify(message)).not.toContain('inherited');
  });

  test('goes where the settings say; an image wins over an emoji, and what is empty is left out', () => {
    const happening = { name: 'user.created', id: 'e-1', time, data: user } as const;
    const all = settings({
      channel: '#ops',
      username: 'Bot',
      iconEmoji: ':robot_face:',
      iconUrl: 'https://example.com/i.png',
    });
    expect(eventMessage(happening, all)).toMatchObject({
      channel: '#ops',
      username: 'Bot',
      icon_url: 'https://example.com/i.png',
    });
    expect(eventMessage(happening, all)).not.toHaveProperty('icon_emoji');
    const none = eventMessage(happening, settings({ channel: '', username: '', iconEmoji: '', iconUrl: '' }));
    expect(Object.keys(none)).toEqual(['text', 'blocks']);
  });
});

test('the other messages are taken by Slack too', () => {
  expect(judgePayload(testMessage(settings()))).toMatchObject({ ok: true });
  expect(judgePayload(suppressedMessage(1, time, settings()))).toMatchObject({ ok: true });
  expect(suppressedMessage(1, time, settings()).text).toContain('1 notification was left out');
  expect(suppressedMessage(12, time, settings()).text).toContain('12 notifications were left out');
});

describe('escapeText and cut', () => {
  test('escape what Slack gives a meaning, once', () => {
    expect(escapeText('a < b & c > d', 100)).toBe('a &lt; b &amp; c &gt; d');
    expect(escapeText('&amp;', 100)).toBe('&amp;amp;');
  });

  test('text that fits is left alone, to the last place', () => {
    expect(cut('abcd', 4)).toBe('abcd');
    expect(escapeText('abc', 3)).toBe('abc');
    expect(cut('', 4)).toBe('');
  });

  test('what is longer ends in an ellipsis, within the limit', () => {
    expect(cut('abcde', 4)).toBe('abc…');
    expect(escapeText('<<<<', 9)).toBe('&lt;&lt;…');
  });

  test('no character and no escape is ever split', () => {
    for (let max = 1; max <= 40; max += 1) {
      const text = escapeText('a😀<&>'.repeat(10), max);
      expect(text.length).toBeLessThanOrEqual(max);
      expect(text.isWellFormed()).toBe(true);
      expect(text.replace(/&(amp|lt|gt);/g, '')).not.toMatch(/[&<>]/);
    }
  });

  test('limits are those of Slack', () => {
    expect(SLACK_LIMITS).toEqual({ header: 150, sectionText: 3000, fields: 10, fieldText: 2000, text: 3000 });
  });
});
