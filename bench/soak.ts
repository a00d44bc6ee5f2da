/**
 * Loads and unloads plugins thousands of times in the whole product and compares the memory of core and isolate hosts
 * before and after: nothing of an isolate may stay (ADVERSARY 20). The exit code is 1 when a process grew by more than
 * `MOST_GROWTH`.
 */
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { isolateHostsOf } from '../tests/kit/processes.ts';
import { fixtureName, packFixture } from './fixtures.ts';
import { Children, HAS_PROC, rssBytes } from './processes.ts';
import { Product } from './product.ts';
import { progress } from './report.ts';

const USAGE = 'Usage: bun bench/soak.ts [--loads 10000] [--warm-up 500]\n';
/** Share by which the memory of a process may be more at the end. */
const MOST_GROWTH = 0.1;
/** Looks at the memory, with a pause (ms) between them; the least counts: what waits to be collected is no loss. */
const LOOKS = { count: 8, everyMs: 500 } as const;
/** Loads between two lines of progress. */
const TELL_EVERY = 1_000;
/** Plugins that take turns: one alone would use up its calls of a minute with what it registers. */
const PLUGINS = Array.from({ length: 25 }, (_, at) => fixtureName(at));
const MB = 1e6;

interface Memory {
  readonly coreMb: number;
  readonly hostsMb: number;
}

const { loads, warmUp } = readOptions();
if (!HAS_PROC) throw new Error('memory is read from /proc, which is not here');
const root = await mkdtemp(join(tmpdir(), 'streamspace-soak-'));
const children = new Children();
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => void cleanUp().then(() => process.exit(130)));
}
let grew = false;
try {
  await mkdir(join(root, 'scratch'));
  const product = await Product.start(children, { data: join(root, 'data'), plugins: '' });
  await product.signIn();
  for (const name of PLUGINS) await product.install((await packFixture(join(root, 'scratch'), name)).archive);
  await reload(product, warmUp);
  const before = await memoryOf(product);
  progress(`after ${warmUp} loads: ${text(before)}`);
  const begun = performance.now();
  await reload(product, loads);
  const perLoadMs = (performance.now() - begun) / loads;
  const after = await memoryOf(product);
  const growth = { core: after.coreMb / before.coreMb - 1, hosts: after.hostsMb / before.hostsMb - 1 };
  grew = growth.core > MOST_GROWTH || growth.hosts > MOST_GROWTH;
  process.stdout.write(
    [
      `${loads} loads and unloads, ${perLoadMs.toFixed(1)} ms each`,
      `before: ${text(before)}`,
      `after:  ${text(after)}`,
      `growth: core ${percent(growth.core)}, isolate hosts ${percent(growth.hosts)} (at most ${percent(MOST_GROWTH)}): ${grew ? 'MISS' : 'pass'}`,
      '',
    ].join('\n'),
  );
} finally {
  await cleanUp();
}
process.exit(grew ? 1 : 0);

/** Each reload loads a plugin into a new isolate and lets the one before go. */
async function reload(product: Product, times: number): Promise<void> {
  for (let done = 1; done <= times; done += 1) {
    await product.call('POST', `/api/plugins/${PLUGINS[done % PLUGINS.length]}/reload`);
    if (done % TELL_EVERY !== 0) continue;
    progress(`${done} of ${times}: ${text(readMemory(product))}`);
  }
}

async function memoryOf(product: Product): Promise<Memory> {
  const looks: Memory[] = [];
  for (let look = 0; look < LOOKS.count; look += 1) {
    await Bun.sleep(LOOKS.everyMs);
    looks.push(readMemory(product));
  }
  const least = (of: (memory: Memory) => number): number => Math.min(...looks.map(of));
  return { coreMb: least(({ coreMb }) => coreMb), hostsMb: least(({ hostsMb }) => hostsMb) };
}

function readMemory({ corePid }: Product): Memory {
  const hosts = isolateHostsOf(corePid).map(rssBytes);
  return { coreMb: rssBytes(corePid) / MB, hostsMb: hosts.reduce((sum, bytes) => sum + bytes, 0) / MB };
}

async function cleanUp(): Promise<void> {
  await children.close();
  await rm(root, { recursive: true, force: true });
}

function text({ coreMb, hostsMb }: Memory): string {
  return `core ${Math.round(coreMb)} MB, isolate hosts ${Math.round(hostsMb)} MB`;
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`;
}

function readOptions(): { loads: number; warmUp: number } {
  try {
    const { values } = parseArgs({
      options: { loads: { type: 'string', default: '10000' }, 'warm-up': { type: 'string', default: '500' } },
    });
    return { loads: Number(values.loads), warmUp: Number(values['warm-up']) };
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n\n${USAGE}`);
    process.exit(2);
  }
}
