import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { type Effort, FULL, QUICK, type Stage } from './context.ts';
import { Children, HAS_PROC } from './processes.ts';
import { type Folders, Product } from './product.ts';
import { progress, Report } from './report.ts';
import { LoadProcess, startBare } from './servers.ts';
import { measureEdits, placeLivePlugin } from './stages/edit.ts';
import { installFirst, measureInstalls, readMemory } from './stages/install.ts';
import { measureLoad } from './stages/load-time.ts';
import { measureStarts } from './stages/start.ts';
import { measureManyPlugins, measureOnePlugin } from './stages/throughput.ts';
import { median } from './stats.ts';
import type { Measure } from './targets.ts';

const USAGE = `Usage: bun run bench [--quick] [--json FILE]

  --quick      a few seconds of everything, to see that it works
  --json FILE  writes the figures to FILE too
`;
/** Milliseconds after which the bench ends with what it has. */
const DEADLINE_MS = 285_000;

const options = readOptions();
const effort: Effort = options.quick ? QUICK : FULL;
const report = new Report();
const children = new Children();
const root = await mkdtemp(join(tmpdir(), 'streamspace-bench-'));
// The database's own user has to pass through.
await chmod(root, 0o711);

let ending = false;
for (const [signal, code] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const) {
  process.on(signal, () => {
    ending = true;
    void cleanUp().then(() => process.exit(code));
  });
}
const deadline = setTimeout(() => {
  report.problem(`not done after ${DEADLINE_MS / 1000} s: the rest was left out`);
  void finish();
}, DEADLINE_MS);

await runAll();
await finish();

async function runAll(): Promise<void> {
  if (!HAS_PROC) report.note('no /proc here: memory and CPU time are not measured');
  await attempt('a core with one plugin', () => withProduct('one', onePlugin));
  await attempt('a core with many plugins', () => withProduct('many', manyPlugins));
}

async function onePlugin(stage: Stage): Promise<void> {
  const { product, folders } = stage;
  await installFirst(stage);
  await attempt('throughput', () => measureOnePlugin(stage));
  await readMemory(stage, 'load on one plugin');
  await attempt('load time', () => measureLoad(stage));
  await readMemory(stage, `${effort.reloads} reloads`);
  await attempt('edits', () => measureEdits(stage));
  await readMemory(stage, `${effort.edits} edits`);
  await product.stop();
  await attempt('starts', () => restart('start', folders, stage.member));
}

async function manyPlugins(stage: Stage): Promise<void> {
  const { product, folders } = stage;
  await measureInstalls(stage);
  await attempt('throughput of many plugins', () => measureManyPlugins(stage));
  await readMemory(stage, `load on ${effort.plugins} plugins`);
  await product.stop();
  await attempt('starts with many plugins', () => restart('startMany', folders, stage.member));
}

async function restart(measure: Measure, folders: Folders, member: string): Promise<void> {
  const times = await measureStarts(children, folders, effort.starts, member);
  report.set(measure, median(times), `${times.length} starts, slowest ${Math.round(Math.max(...times))}`);
}

/** Runs a stage on a new data folder. */
async function withProduct(name: 'one' | 'many', work: (stage: Stage) => Promise<void>): Promise<void> {
  const scratch = join(root, name, 'scratch');
  await mkdir(scratch, { recursive: true });
  const folders = { data: join(root, name, 'data'), plugins: name === 'one' ? join(root, name, 'plugins') : '' };
  if (folders.plugins !== '') await placeLivePlugin(folders.plugins);
  const bare = await startBare(children);
  const load = await LoadProcess.start(children);
  progress(`starting a core with a new data folder (${name})`);
  const product = await Product.start(children, folders);
  if (name === 'one') report.set('firstStart', product.readyMs);
  product.onEnd = (why) => {
    if (!ending) report.problem(why);
  };
  try {
    await product.signIn();
    const member = await product.makeMember();
    await work({ effort, product, folders, scratch, member, bare, load, report });
  } finally {
    product.onEnd = null;
    await children.stopAll();
  }
}

/** A stage that fails is told of; what does not need it goes on. */
async function attempt(what: string, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    report.problem(`${what}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** Timing is not a test: the exit code says nothing about the figures. */
async function finish(): Promise<void> {
  if (ending) return;
  ending = true;
  clearTimeout(deadline);
  await cleanUp();
  process.stdout.write(`${report.toText()}\n`);
  if (options.json !== undefined) await writeFile(options.json, `${JSON.stringify(report.toJson(), null, 2)}\n`);
  process.exit(0);
}

async function cleanUp(): Promise<void> {
  await children.close();
  await rm(root, { recursive: true, force: true });
}

function readOptions(): { quick: boolean; json: string | undefined } {
  try {
    const { values } = parseArgs({
      options: { quick: { type: 'boolean', default: false }, json: { type: 'string' } },
    });
    return { quick: values.quick, json: values.json };
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n\n${USAGE}`);
    process.exit(2);
  }
}
