/**
 * Every attack of tests/escapes/attacks against the whole product with 20 healthy plugins under steady load: what stopped
 * it, who noticed and when, for how long others were out, and what it does to the core's own endpoints. Times are told as
 * multiples of the same core's undisturbed time just before, in the same run.
 */
import { writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { ATTACKS } from '../tests/escapes/attacks/all.ts';
import { Arena, HEALTHY, type Outcome } from '../tests/escapes/attacks/arena.ts';
import { SLOW } from '../tests/escapes/attacks/places.ts';
import type { LoadTarget, TargetReport } from '../tests/escapes/attacks/steady-load.ts';
import { HEAD, markdown, rowOf } from '../tests/escapes/attacks/table.ts';
import { isolateHostsOf } from '../tests/kit/processes.ts';
import type { RunningCore } from '../tests/kit/start-core.ts';
import { RemoteLoad } from './attack-load.ts';
import { Children, rssBytes } from './processes.ts';
import { progress } from './report.ts';
import { median, quantile, short } from './stats.ts';

const USAGE = 'Usage: bun bench/attacks.ts [--only TEXT] [--out FILE]\n';
/** Milliseconds between two requests of a healthy plugin, and of each endpoint of the core. */
const PACE_MS = { plugin: 100, health: 10, list: 100 } as const;
/** The endpoint by which single attacks are judged: the cheapest, which waits for nothing but the core itself. */
const HEALTH = 'GET /healthz';
const LIST = 'GET /api/plugins';
/** Milliseconds of the looks before and after an attack: 150 requests of HEALTH. */
const LOOK_MS = 1_500;
/** What the issue asks for. */
const MOST_OUT_MS = 1_000;
const MOST_P99 = 2;

/** Milliseconds of answers of the core's endpoints. */
type Latencies = Readonly<Record<typeof HEALTH | typeof LIST, readonly number[]>>;

interface Measured {
  readonly outcome: Outcome;
  readonly before: Latencies;
  readonly during: Latencies;
  readonly after: Latencies;
}

const options = readOptions();
const children = new Children();
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => void children.close().then(() => process.exit(130)));
}
const problems: string[] = [];
const measured: Measured[] = [];
const arena = await Arena.open(PACE_MS.plugin, (targets, core) => {
  return RemoteLoad.start(children, [...targets, ...endpointsOf(core)]);
});
const memory = { core: 0, hosts: 0 };
try {
  await look();
  Object.assign(memory, readMemory());
  for (const attack of [...Object.values(ATTACKS).flat(), ...SLOW]) {
    const name = `${attack.name} (${attack.place})`;
    if (!name.includes(options.only)) continue;
    progress(name);
    const before = await look();
    try {
      const outcome = await arena.suffer(attack);
      judge(name, outcome);
      measured.push({ outcome, before, during: ofCore(outcome.load), after: await look() });
    } catch (error) {
      problems.push(`${name}: ${error instanceof Error ? error.message : String(error)}`);
    }
    for (const plugin of await arena.ill()) problems.push(`${name}: ${plugin} is not active`);
  }
  const text = report();
  process.stdout.write(text);
  if (options.out !== undefined) await writeFile(options.out, text);
} finally {
  await arena[Symbol.asyncDispose]();
  await children.close();
}
process.exit(0);

/** The core's own endpoints that are asked all the while. */
function endpointsOf({ url, token }: RunningCore): LoadTarget[] {
  return [
    { name: HEALTH, url: `${url}/healthz`, everyMs: PACE_MS.health },
    {
      name: LIST,
      url: `${url}/api/plugins`,
      headers: { authorization: `Bearer ${token}` },
      everyMs: PACE_MS.list,
    },
  ];
}

async function look(): Promise<Latencies> {
  await arena.load.take();
  await Bun.sleep(LOOK_MS);
  return ofCore(await arena.load.take());
}

function ofCore(reports: readonly TargetReport[]): Latencies {
  const of = (name: string): readonly number[] => reports.find(({ target }) => target === name)?.latencies ?? [];
  return { [HEALTH]: of(HEALTH), [LIST]: of(LIST) };
}

/** What the issue does not allow; one line for all that were out, with the longest. */
function judge(name: string, { load, stops, attack, deaths, notices, others }: Outcome): void {
  for (const what of load.flatMap(({ bad }) => bad)) problems.push(`${name}: ${what}`);
  const out = load.filter(({ outageMs }) => outageMs > MOST_OUT_MS).sort((a, b) => b.outageMs - a.outageMs);
  const [longest] = out;
  if (longest !== undefined) {
    const ms = Math.round(longest.outageMs);
    problems.push(
      `${name}: ${out.length} of ${load.length} were out for over ${MOST_OUT_MS} ms, ${longest.target} for ${ms}`,
    );
  }
  const surprise = stops.filter((stop) => !attack.stops.includes(stop));
  if (surprise.length > 0) problems.push(`${name}: ended by ${surprise}`);
  if (deaths.length > 0 && notices.every(({ stop }) => stop !== 'process')) {
    problems.push(`${name}: nobody was blamed for the end of a process: ${deaths.join(', ')}`);
  }
  for (const { plugin, verdict } of others) problems.push(`${name}: ${plugin} was blamed as ${verdict}`);
}

function readMemory(): { core: number; hosts: number } {
  const hosts = isolateHostsOf(arena.core.pid).map(rssBytes);
  return { core: rssBytes(arena.core.pid) / 1e6, hosts: hosts.reduce((sum, bytes) => sum + bytes, 0) / 1e6 };
}

function report(): string {
  const p99 = (values: readonly number[]): number => quantile(values, 0.99);
  const rows = measured.map(({ outcome, before, during, after }) => [
    ...rowOf(outcome),
    `${short(p99(during[HEALTH]) / p99(before[HEALTH]))}x`,
    `${short(p99(after[HEALTH]) / p99(before[HEALTH]))}x`,
  ]);
  const endpoints = ([HEALTH, LIST] as const).map((endpoint) => {
    const before = p99(measured.flatMap((one) => one.before[endpoint]));
    const after = p99(measured.flatMap((one) => one.after[endpoint]));
    const each = measured.map((one) => p99(one.after[endpoint]) / p99(one.before[endpoint]));
    return `${endpoint}: p99 undisturbed ${short(before)} ms, after the culprit is gone ${short(after)} ms: ${short(after / before)} times (at most ${MOST_P99}); median over the attacks ${short(median(each))}`;
  });
  const now = readMemory();
  const longest = Math.max(0, ...measured.flatMap(({ outcome }) => outcome.load.map(({ outageMs }) => outageMs)));
  return [
    markdown([...HEAD, 'healthz p99 during', 'and after'], rows),
    '',
    `${measured.length} attacks; ${HEALTHY.length} healthy plugins, each asked every ${PACE_MS.plugin} ms`,
    ...endpoints,
    `longest outage of a healthy plugin: ${Math.round(longest)} ms (at most ${MOST_OUT_MS})`,
    `memory: core ${Math.round(memory.core)} MB before, ${Math.round(now.core)} MB after; isolate hosts ${Math.round(memory.hosts)} and ${Math.round(now.hosts)} MB`,
    ...problems.map((problem) => `PROBLEM: ${problem}`),
    '',
  ].join('\n');
}

function readOptions(): { only: string; out: string | undefined } {
  try {
    const { values } = parseArgs({ options: { only: { type: 'string', default: '' }, out: { type: 'string' } } });
    return { only: values.only, out: values.out };
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n\n${USAGE}`);
    process.exit(2);
  }
}
