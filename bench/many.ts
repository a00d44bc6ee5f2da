import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Children, memoryOfTree, type ProcessMemory } from './processes.ts';
import { Product } from './product.ts';

/**
 * Many installed plugins of which a few are busy: memory of all processes together. A thousand folders are installed as an
 * operator would (`PLUGIN_DIRS`), the core is started again, and a steady load goes to the busy ones.
 */
const USAGE = `Usage: bun bench/many.ts [--plugins 1000] [--busy 50] [--seconds 20] [--rate 1000] [--max-isolates N] [--idle-ms N]

  --rate          requests a second to all busy plugins together
  --max-isolates  MAX_ISOLATES of the core; without it, the default of this machine
  --idle-ms       HIBERNATE_AFTER_MS of the core; without it, its default
`;
const MB = 1024 * 1024;
const INSTALL_MS = 600_000;
/** Milliseconds between two looks at the memory. */
const SAMPLE_MS = 1_000;

const options = readOptions();
const children = new Children();
const root = await mkdtemp(join(tmpdir(), 'streamspace-many-'));
// The database's own user has to pass through.
await chmod(root, 0o711);
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.on(signal, () => void cleanUp().then(() => process.exit(1)));
try {
  await run();
} finally {
  await cleanUp();
}

async function run(): Promise<void> {
  const folders = { data: join(root, 'data'), plugins: join(root, 'plugins') };
  for (let index = 0; index < options.plugins; index += 1)
    await writePlugin(join(folders.plugins, nameOf(index)), index);
  const env = {
    LOG_LEVEL: 'warn',
    ...(options.maxIsolates === null ? {} : { MAX_ISOLATES: String(options.maxIsolates) }),
    ...(options.idleMs === null ? {} : { HIBERNATE_AFTER_MS: String(options.idleMs) }),
  };
  const say = (text: string): void => void process.stdout.write(`${text}\n`);
  // The ready line is one of level info.
  const start = () => Product.start(children, folders, { env: { ...env, LOG_LEVEL: 'info' }, readyMs: INSTALL_MS });

  const first = await start();
  say(`installed ${options.plugins} plugins in ${(first.readyMs / 1000).toFixed(1)} s`);
  await first.signIn();
  say(`after the install:         ${table(memoryOfTree(first.corePid))}\n  ${await states(first)}`);
  await first.stop();

  const product = await start();
  product.onLog = (line) => {
    if (line.level !== 'info' && line.level !== 'debug') process.stderr.write(`${JSON.stringify(line)}\n`);
  };
  say(`started again in ${(product.readyMs / 1000).toFixed(1)} s`);
  await product.signIn();
  say(`after the start:           ${table(memoryOfTree(product.corePid))}\n  ${await states(product)}`);
  const { answers, wrong, p50Ms, p99Ms, peak } = await steadyLoad(product);
  say(`${answers} answers, ${wrong} wrong, p50 ${p50Ms.toFixed(1)} ms, p99 ${p99Ms.toFixed(1)} ms`);
  say(`most under load:           ${table(peak)}\n  ${await states(product)}`);
  await wakeAll(product);
  say(`after each was woken once: ${table(memoryOfTree(product.corePid))}\n  ${await states(product)}`);
  await product.stop();
}

function nameOf(index: number): string {
  return `many-${String(index).padStart(4, '0')}`;
}

/** A plugin of about 2 KB, as small ones are: two endpoints with a schema, an event, a job. */
async function writePlugin(folder: string, index: number): Promise<void> {
  await mkdir(folder, { recursive: true });
  const manifest = {
    name: nameOf(index),
    version: '1.0.0',
    displayName: `Number ${index}`,
    description: 'One of many plugins, most of which have nothing to do.',
    configSchema: {
      type: 'object',
      properties: { greeting: { type: 'string', maxLength: 100 }, limit: { type: 'integer', minimum: 1 } },
    },
    defaultConfig: { greeting: 'hello', limit: 10 },
    permissions: ['events:subscribe:custom.*'],
  };
  const code = `import { definePlugin } from '@streamspace/sdk';
/** What is counted in memory, and lost with it. */
let calls = 0;
const words = ${JSON.stringify(Array.from({ length: 40 }, (_, at) => `word-${index}-${at}`))};
export default definePlugin({
  onLoad({ api, events, scheduler, config, storage, log }) {
    api.get('/hello', () => ({ from: ${index}, calls: (calls += 1), greeting: config.greeting }), { auth: 'public', summary: 'Says hello' });
    api.post('/words', async (request, { body }) => {
      const found = words.filter((word) => word.includes(body.part)).slice(0, config.limit);
      await storage.set('last', found);
      return found;
    }, { validation: { body: { type: 'object', properties: { part: { type: 'string', maxLength: 100 } }, required: ['part'] } } });
    events.on('custom.many.${index}', (data) => storage.increment('events', 1));
    scheduler.schedule('0 3 * * *', () => log.info('nothing to do', { calls }), { name: 'nightly' });
  },
});
`;
  await writeFile(join(folder, 'manifest.json'), JSON.stringify(manifest, null, 2));
  await writeFile(join(folder, 'index.ts'), code);
}

/** Sends `rate` requests a second in turn to the busy plugins; the memory is that of the worst second. */
async function steadyLoad(product: Product) {
  const busy = Array.from({ length: options.busy }, (_, index) =>
    nameOf(Math.floor((index * options.plugins) / options.busy)),
  );
  const counts = { answers: 0, wrong: 0 };
  const times: number[] = [];
  let peak: ProcessMemory[] = [];
  const ask = async (name: string): Promise<void> => {
    const begun = performance.now();
    const response = await fetch(`${product.url}/api/plugins/${name}/hello`);
    await response.arrayBuffer();
    counts.answers += 1;
    if (response.status !== 200) counts.wrong += 1;
    times.push(performance.now() - begun);
  };
  const begun = performance.now();
  const under: Promise<void>[] = [];
  let sampledAt = begun;
  for (let sent = 0; performance.now() - begun < options.seconds * 1_000; ) {
    const due = Math.floor(((performance.now() - begun) / 1_000) * options.rate);
    for (; sent < due; sent += 1) under.push(ask(busy[sent % busy.length] as string));
    if (performance.now() - sampledAt >= SAMPLE_MS) {
      sampledAt = performance.now();
      const now = memoryOfTree(product.corePid);
      if (sum(now, 'pss') > sum(peak, 'pss')) peak = now;
    }
    await Bun.sleep(5);
  }
  await Promise.all(under);
  times.sort((a, b) => a - b);
  return { ...counts, p50Ms: quantile(times, 0.5), p99Ms: quantile(times, 0.99), peak };
}

function quantile(sorted: readonly number[], q: number): number {
  return sorted[Math.floor(q * (sorted.length - 1))] ?? Number.NaN;
}

async function wakeAll(product: Product): Promise<void> {
  for (let index = 0; index < options.plugins; index += 1) {
    const response = await fetch(`${product.url}/api/plugins/${nameOf(index)}/hello`);
    if (response.status !== 200) throw new Error(`${nameOf(index)} answered ${response.status}`);
    await response.arrayBuffer();
  }
}

async function states(product: Product): Promise<string> {
  const { plugins } = (await product.call('GET', '/api/plugins?enabled=true')) as { plugins: { state: string }[] };
  const counts = new Map<string, number>();
  for (const { state } of plugins) counts.set(state, (counts.get(state) ?? 0) + 1);
  return [...counts].map(([state, count]) => `${count} ${state}`).join(', ');
}

function sum(processes: readonly ProcessMemory[], of: 'rss' | 'pss'): number {
  return processes.reduce((total, process) => total + process[of], 0);
}

/** Sums, then each program with its processes taken together. */
function table(processes: readonly ProcessMemory[]): string {
  const mb = (bytes: number): string => `${Math.round(bytes / MB)} MB`;
  const programs = Map.groupBy(processes, ({ name }) => name);
  const lines = [...programs].map(
    ([name, some]) => `\n  ${name} (${some.length}): PSS ${mb(sum(some, 'pss'))}, RSS ${mb(sum(some, 'rss'))}`,
  );
  return `PSS ${mb(sum(processes, 'pss'))}, RSS ${mb(sum(processes, 'rss'))}${lines.join('')}`;
}

async function cleanUp(): Promise<void> {
  await children.close();
  await rm(root, { recursive: true, force: true });
}

function readOptions() {
  const number = (text: string | undefined, otherwise: number): number =>
    text === undefined ? otherwise : Number(text);
  try {
    const text = { type: 'string' } as const;
    const { values } = parseArgs({
      options: { plugins: text, busy: text, seconds: text, rate: text, 'max-isolates': text, 'idle-ms': text },
    });
    return {
      plugins: number(values.plugins, 1_000),
      busy: number(values.busy, 50),
      seconds: number(values.seconds, 20),
      rate: number(values.rate, 1_000),
      maxIsolates: values['max-isolates'] === undefined ? null : Number(values['max-isolates']),
      idleMs: values['idle-ms'] === undefined ? null : Number(values['idle-ms']),
    };
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n\n${USAGE}`);
    process.exit(2);
  }
}
