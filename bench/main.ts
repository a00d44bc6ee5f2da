import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { type Embedded, startEmbedded } from '../src/db/embedded.ts';
import { createLog } from '../src/log.ts';
import { type Effort, FULL, QUICK, type Stage } from './context.ts';
import { Children, HAS_PROC } from './processes.ts';
import { type Folders, Product } from './product.ts';
import { progress, Report } from './report.ts';
import { LoadProcess, startBare } from './servers.ts';
import { measureCalls } from './stages/calls.ts';
import { measureEdits, placeLivePlugin } from './stages/edit.ts';
import { installFirst, measureInstalls, readMemory } from './stages/install.ts';
import { measureLoad } from './stages/load-time.ts';
import { measureStarts } from './stages/start.ts';
import { measureManyPlugins, measureOnePlugin } from './stages/throughput.ts';
import { median } from './stats.ts';
import type { Measure } from './targets.ts';

const USAGE = `Usage: bun run bench [--quick] [--only PART] [--json FILE]

  --quick      a few seconds of everything, to see that it works
  --only PART  one part alone: one, many (plugins), calls (of a plugin into the core)
  --json FILE  writes the figures to FILE too
`;
const PARTS = ['one', 'many', 'calls'] as const;
type Part = (typeof PARTS)[number];
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
let server: Embedded | null = null;
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
  const wanted = (part: Part) => options.only === undefined || options.only === part;
  if (wanted('calls')) await attempt('calls into the core', callsIntoCore);
  if (wanted('one')) await attempt('a core with one plugin', () => withProduct('one', onePlugin));
  if (wanted('many')) await attempt('a core with many plugins', () => withProduct('many', manyPlugins));
}

/** On a database server of the bench's own, which it can ask too. */
async function callsIntoCore(): Promise<void> {
  const folder = join(root, 'server');
  await mkdir(folder);
  server = await startEmbedded({ dataDir: folder, log: createLog('warn') });
  const { address } = server;
  const { socketDir, port, user, password, database } = address;
  const url = `postgres://${user}:${encodeURIComponent(password)}@localhost:${port}/${database}`;
  const env = { DATABASE_URL: `${url}?host=${encodeURIComponent(socketDir)}` };
  await withProduct('calls', (stage) => measureCalls(stage, address), env);
  await server.stop();
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
async function withProduct(
  name: Part,
  work: (stage: Stage) => Promise<void>,
  env: Readonly<Record<string, string>> = {},
): Promise<void> {
  const scratch = join(root, name, 'scratch');
  await mkdir(scratch, { recursive: true });
  const folders = { data: join(root, name, 'data'), plugins: name === 'one' ? join(root, name, 'plugins') : '' };
  if (folders.plugins !== '') await placeLivePlugin(folders.plugins);
  const bare = await startBare(children);
  const load = await LoadProcess.start(children);
  progress(`starting a core with a new data folder (${name})`);
  const product = await Product.start(children, folders, { env });
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
  await server?.stop();
  await rm(root, { recursive: true, force: true });
}

function readOptions(): { quick: boolean; only: Part | undefined; json: string | undefined } {
  try {
    const { values } = parseArgs({
      options: { quick: { type: 'boolean', default: false }, only: { type: 'string' }, json: { type: 'string' } },
    });
    const only = PARTS.find((part) => part === values.only);
    if (only !== values.only) throw new Error(`--only ${values.only}: there is no such part`);
    return { quick: values.quick, only, json: values.json };
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n\n${USAGE}`);
    process.exit(2);
  }
}
