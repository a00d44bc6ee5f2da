import type { Stage } from '../context.ts';
import { type Fixture, fixtureName, packFixture } from '../fixtures.ts';
import { rssBytes } from '../processes.ts';
import { progress } from '../report.ts';
import { median, quantile, short } from '../stats.ts';

/** How often memory is read while it comes to rest, and how many of the last readings count. */
const SAMPLE_MS = 250;
const SAMPLES = 4;

/** Installs one plugin after the other, each timed from the upload to its first answer; reads memory on the way. */
export async function measureInstalls(stage: Stage): Promise<void> {
  const { effort, product, report, scratch } = stage;
  progress(`installing ${effort.plugins} plugins`);
  const times: number[] = [];
  const memory: { plugins: number; host: number }[] = [];
  await readMemory(stage, 'start, no plugin');
  for (let index = 1; index <= effort.plugins; index += 1) {
    const fixture = await packFixture(scratch, fixtureName(index));
    if (index === 1) {
      report.note(`package: ${fixture.bytes} bytes of files, ${fixture.archive.length} bytes packed`);
    }
    times.push(await installTimed(stage, fixture));
    if (effort.memoryAt.includes(index)) {
      memory.push({ plugins: index, host: await readMemory(stage, `${index} idle plugin${index === 1 ? '' : 's'}`) });
    }
  }
  report.set('install', median(times), `first ${short(times[0] ?? Number.NaN)}, p95 ${short(quantile(times, 0.95))}`);

  const [first, second, third] = memory;
  if (product.hostPid === null || first === undefined || second === undefined || third === undefined) return;
  const each = (from: typeof first, to: typeof first) => (to.host - from.host) / (to.plugins - from.plugins) / 1e6;
  report.set('memory', each(first, third));
  report.set('memoryEarly', each(first, second));
}

/** Installs the plugin that the measures of one plugin use. */
export async function installFirst({ product, scratch }: Stage): Promise<void> {
  await product.install((await packFixture(scratch, fixtureName(1))).archive);
}

async function installTimed({ product, member }: Stage, { name, archive }: Fixture): Promise<number> {
  const begun = performance.now();
  await product.install(archive);
  await firstAnswer(`${product.url}/api/plugins/${name}/small`, member);
  return performance.now() - begun;
}

/** Asks until the answer is a 200. @throws Error when there is none within 10 s */
export async function firstAnswer(url: string, token: string): Promise<void> {
  const end = performance.now() + 10_000;
  let status = 0;
  while (performance.now() < end) {
    const response = await fetch(url, { headers: { authorization: `Bearer ${token}` } });
    await response.arrayBuffer();
    status = response.status;
    if (status === 200) return;
  }
  throw new Error(`${url} still answers ${status} after 10 s`);
}

/** Resident memory once garbage had time to go: the lowest of the last readings. Answers the host's, in bytes. */
export async function readMemory({ effort, product, report }: Stage, after: string): Promise<number> {
  await Bun.sleep(Math.max(0, effort.restMs - SAMPLES * SAMPLE_MS));
  const { corePid, hostPid } = product;
  let core = Number.POSITIVE_INFINITY;
  let host = Number.POSITIVE_INFINITY;
  for (let sample = 0; sample < SAMPLES; sample += 1) {
    await Bun.sleep(SAMPLE_MS);
    core = Math.min(core, rssBytes(corePid));
    host = Math.min(host, rssBytes(hostPid));
  }
  report.memory(after, core, host);
  return host;
}
