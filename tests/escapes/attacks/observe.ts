import type { PostMortemSummary } from '../../../src/post-mortems/record.ts';
import type { Api } from '../../kit/api-client.ts';
import type { LogLine } from '../../kit/log-lines.ts';
import type { Stop } from './attack.ts';

/** What the core says of one loss of a plugin: what was lost, and who found out. */
export interface Notice {
  readonly plugin: string;
  readonly stop: Stop;
  /** `suspect`: one of several that may have been it. */
  readonly verdict: 'culprit' | 'suspect';
  readonly noticedBy: string;
  readonly detail: string;
  /** Milliseconds since the epoch. */
  readonly at: number;
}

const CAUSES: Readonly<Record<PostMortemSummary['cause'], readonly [stop: Stop, noticedBy: string]>> = {
  cpu: ['cpu', "the host's watchdog"],
  memory: ['memory', "V8's heap limit"],
  protocol: ['protocol', "the host's check of the bridge"],
  catastrophic: ['process', 'V8, told by the host'],
  deadline: ['deadline', "the core's deadline"],
  host: ['process', ''],
};
/** Who finds out that a process has to go, or is gone, by what the core says of it. */
const WATCHERS: readonly (readonly [RegExp, string])[] = [
  [/cannot be stopped/, "the core's clock, by the black box"],
  [/heartbeat/, "the core's heartbeat"],
  [/V8 gave/, 'V8, told by the host'],
  [/ MB/, "the core's look at the memory"],
  [/exit code|ended/, 'the end of the process'],
];

/** What a plugin has lost since then, by its post-mortems; of one that was never installed, by the core's log. */
export async function noticesOf(core: Api & { readonly lines: readonly LogLine[] }, plugin: string, since: number) {
  const { status, body } = await core.api('GET', `/api/plugins/${plugin}/post-mortems`);
  const found = status === 200 ? (body.items as PostMortemSummary[]).map(fromPostMortem) : fromLog(core.lines, plugin);
  return found.filter(({ at }) => at >= since).sort((a, b) => a.at - b.at);
}

/** Why host processes ended, as the core's log has it. */
export function deathsIn(lines: readonly LogLine[]): string[] {
  return lines.flatMap(({ msg, reason }) => (msg?.startsWith('isolate host died') === true ? [String(reason)] : []));
}

function fromPostMortem({ plugin, cause, verdict, detail, at }: PostMortemSummary): Notice {
  const [stop, noticedBy] = CAUSES[cause];
  return { plugin, stop, verdict, noticedBy: noticedBy || watcherOf(detail), detail, at: Date.parse(at) };
}

function fromLog(lines: readonly LogLine[], name: string): Notice[] {
  return lines.flatMap(({ plugin, isolate, msg = '', time }): Notice[] => {
    // What has an isolate is the plugin's own word.
    if (plugin !== name || isolate !== undefined) return [];
    const [, verdict, detail = ''] = /^Its process was lost while it ran \((culprit|suspect)\): (.*)/.exec(msg) ?? [];
    if (verdict === undefined) return [];
    const at = Date.parse(String(time));
    return [
      { plugin, stop: 'process', verdict: verdict as Notice['verdict'], noticedBy: watcherOf(detail), detail, at },
    ];
  });
}

function watcherOf(detail: string): string {
  return WATCHERS.find(([pattern]) => pattern.test(detail))?.[1] ?? detail;
}
