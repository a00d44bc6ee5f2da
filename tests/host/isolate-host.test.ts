import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { FrameWriter } from '../../runtime/protocol/frame.ts';
import { KIND } from '../../runtime/protocol/messages.ts';
import { detectLayers, type Layer } from '../../src/host/confinement.ts';
import { hostFiles } from '../../src/host/files.ts';
import type { Guest, GuestEvents, Loss } from '../../src/host/guest.ts';
import { type HostOptions, IsolateHost } from '../../src/host/isolate-host.ts';
import { LoadRefused } from '../../src/host/load-refused.ts';
import type { HostFiles } from '../../src/host/lockdown-plan.ts';
import { loadPrelude } from '../../src/host/prelude.ts';
import { createLog } from '../../src/log.ts';
import { tempFolder } from '../kit/plugin.ts';
import { alive, descendantsOf } from '../kit/processes.ts';
import { until, within } from '../kit/until.ts';

// The real Node child, and the core against a child that lies.

setDefaultTimeout(60_000);

const LAYERS = detectLayers().filter(({ available }) => available);
const nothing = (): void => undefined;
const EVENTS: GuestEvents = {
  onCall: nothing,
  onCallAbort: nothing,
  onDeadline: nothing,
  onGone: nothing,
  onStats: nothing,
};
let prelude: string;

beforeAll(async () => {
  await using cache = await tempFolder();
  prelude = await loadPrelude(cache.path);
});

/** A host, with what became of it. */
async function start(over: Partial<HostOptions> = {}): Promise<{ host: IsolateHost; exit: Promise<string> }> {
  const exited = Promise.withResolvers<string>();
  const layer = LAYERS[0]?.layer as Layer;
  const log = createLog('silent');
  const options = { files: hostFiles(), layer, prelude, log, guests: EVENTS, onExit: exited.resolve };
  return { host: await IsolateHost.start({ ...options, ...over }), exit: exited.promise };
}

const HEAD = {
  plugin: 'tester',
  version: '1.0.0',
  memoryMb: 32,
  cpuMs: 500,
  loadMs: 5_000,
  timers: 100,
  onPool: false,
  config: {},
};

describe.each(LAYERS.map(({ layer }) => layer))('in the layer %s', (layer) => {
  test('it greets, and reaches nothing that the layer denies', async () => {
    const { host, exit } = await start({ layer });
    expect(host.layer).toBe(layer);
    expect(host.ready.node).toStartWith('26.');
    const { reach } = host.ready;
    expect(reach).toMatchObject({ env: false, files: false, sockets: false, descriptors: false });
    // Node's permission model alone does not keep it from signalling.
    const { seccomp } = LAYERS.find((report) => report.layer === layer) ?? {};
    if (seccomp || layer !== 'permission') expect(reach).toMatchObject({ processes: false, parent: false });
    host.kill('the test is over');
    expect(await exit).toBe('the test is over');
  });

  test('it runs a plugin, and goes with everything that it started when it is killed', async () => {
    const { host, exit } = await start({ layer });
    const guest = await host.load(1, HEAD, 'module.exports = { onLoad() { return 1; } };');
    expect(host.size).toBe(1);
    const family = [...descendantsOf(process.pid).filter(({ pid }) => pid === host.pid), ...descendantsOf(host.pid)];
    expect(family.length).toBeGreaterThan(0);
    host.kill('the test is over');
    await exit;
    expect(guest.gone).toBe(true);
    await until(() => alive(family).length === 0, 'all of its processes are gone');
  });
});

describe('a host', () => {
  let host: IsolateHost;
  let exit: Promise<string>;
  const gone: { guest: Guest; reason: string }[] = [];
  beforeAll(async () => {
    const guests = { ...EVENTS, onGone: (guest: Guest, { reason }: Loss) => void gone.push({ guest, reason }) };
    ({ host, exit } = await start({ guests }));
  });
  afterAll(async () => {
    host?.kill('the test is over');
    await exit;
  });

  test('refuses a bundle that throws, with the position in it, and goes on', async () => {
    const failed = host.load(10, HEAD, '\nthrow new TypeError("at the top");');
    const error = await failed.catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(LoadRefused);
    expect((error as LoadRefused).guest).toMatchObject({ name: 'TypeError', message: 'at the top' });
    expect((error as LoadRefused).guest?.stack).toContain('plugin:tester:2:');
    expect((await host.load(11, HEAD, 'module.exports = {};')).gone).toBe(false);
  });

  test('ends an isolate that loops, and not the others', async () => {
    const steady = await host.load(20, HEAD, 'module.exports = {};');
    const error = await host.load(21, { ...HEAD, loadMs: 100 }, 'for (;;);').catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(LoadRefused);
    expect(steady.gone).toBe(false);
  });

  test('tells of CPU and memory with its heartbeat', async () => {
    host.ping();
    await until(() => host.rss > 10_000_000, 'the heartbeat is answered');
  });
});

test('it ends by itself when the descriptor does', async () => {
  const script = `
    import { hostFiles } from '${join(import.meta.dir, '../../src/host/files.ts')}';
    const { node, entry, readable } = hostFiles();
    const flags = ['--no-node-snapshot', '--permission', '--allow-addons', ...readable.map((path) => '--allow-fs-read=' + path)];
    const child = Bun.spawn([node, ...flags, entry], { stdio: ['ignore', 'ignore', 'ignore', 'pipe'], env: {} });
    console.log(child.pid);
    setInterval(() => {}, 1_000);
  `;
  const core = Bun.spawn([process.execPath, '-e', script], { stdout: 'pipe', stderr: 'inherit' });
  const { value } = await core.stdout.getReader().read();
  const pid = Number(new TextDecoder().decode(value));
  const child = descendantsOf(core.pid).filter((process) => process.pid === pid);
  expect(child).toHaveLength(1);
  core.kill('SIGKILL');
  await core.exited;
  await until(() => alive(child).length === 0, 'the child is gone');
});

describe('a child that lies', () => {
  let dir: Awaited<ReturnType<typeof tempFolder>>;
  beforeAll(async () => {
    dir = await tempFolder();
  });
  afterAll(async () => {
    await dir?.[Symbol.asyncDispose]();
  });

  /** Files of a host whose entry is a script of ours; it writes to descriptor 3 what `frames` says. */
  async function liar(name: string, body: string): Promise<HostFiles> {
    const script = join(dir.path, `${name}.ts`);
    await writeFile(script, `import { closeSync, writeSync } from 'node:fs';\n${body}`);
    return { node: hostFiles().node, entry: script, readable: [dir.path] };
  }
  const bytesOf = (...frames: (readonly [kind: number, isolate: number, id: number, head: string])[]): string => {
    const writer = new FrameWriter();
    for (const [kind, isolate, id, head] of frames) writer.add(kind, 0, 0, isolate, id, head, null);
    return `Buffer.from('${writer.peek().toString('hex')}', 'hex')`;
  };
  const reach = { env: false, files: false, sockets: false, processes: false, parent: false, descriptors: false };
  const greeting = [KIND.ready, 0, 0, JSON.stringify({ node: '26', v8: '1', pid: 1, reach })] as const;
  const staying = 'setInterval(() => {}, 1_000);';
  const layer = 'permission';

  test.each([
    ['noise', `writeSync(3, 'GET / HTTP/1.1\\r\\n\\r\\n');`],
    ['a frame of 4 GB', `writeSync(3, Buffer.from('ffffffff', 'hex'));`],
    ['another message', `writeSync(3, ${bytesOf([KIND.pong, 0, 0, '{}'])});`],
    ['a greeting that is none', `writeSync(3, ${bytesOf([KIND.ready, 0, 0, '{"node":1}'])});`],
    ['nothing, and ends', `process.exit(1);`],
  ])('that greets with %s is not taken, and does not stay', async (what, body) => {
    const name = what.replace(/\W+/g, '-');
    const files = await liar(name, `${body}\n${staying}`);
    await expect(start({ layer, files })).rejects.toThrow(/did not greet|ended while it started/);
    await until(
      () => !descendantsOf(process.pid).some(({ command }) => command.includes(`${name}.ts`)),
      'it is killed',
    );
  });

  test.each([
    ['a frame of 4 GB', `writeSync(3, Buffer.from('ffffffff', 'hex'));`, /broke the protocol/],
    [
      'a head longer than its frame',
      `writeSync(3, Buffer.from('10000000' + '00'.repeat(12) + 'ffffffff', 'hex'));`,
      /broke the protocol/,
    ],
    ['a heartbeat that cannot be read', `writeSync(3, ${bytesOf([KIND.pong, 0, 1, '{"rss":-1}'])});`, /heartbeat/],
    ['its end', 'closeSync(3);', /ended/],
  ])('that goes on with %s is killed', async (what, body, reason) => {
    const name = `after-${what.replace(/\W+/g, '-')}`;
    const files = await liar(
      name,
      `writeSync(3, ${bytesOf(greeting)});\nsetTimeout(() => { ${body} }, 50);\n${staying}`,
    );
    const { host, exit } = await start({ layer, files });
    host.ping();
    expect(await within(exit, 'it is given up')).toMatch(reason);
    await until(
      () => !descendantsOf(process.pid).some(({ command }) => command.includes(`${name}.ts`)),
      'it is killed',
    );
  });

  test('that speaks of isolates that are none is not believed', async () => {
    const frames = bytesOf(
      [KIND.loaded, 77, 0, ''],
      [KIND.gone, 77, 0, '{"reason":"cpu","error":null}'],
      [KIND.result, 77, 1, ''],
      [KIND.call, 77, 1, '"storage.get"'],
      [99, 0, 0, '{}'],
      [KIND.pong, 0, 1, '{"rss":5,"isolates":[[77,1,1,false]]}'],
    );
    const calls: unknown[] = [];
    const guests = { ...EVENTS, onCall: (...call: unknown[]) => void calls.push(call) };
    const { host, exit } = await start({
      layer,
      files: await liar(
        'strangers',
        `writeSync(3, ${bytesOf(greeting)});\nsetTimeout(() => writeSync(3, ${frames}), 50);\n${staying}`,
      ),
      guests,
    });
    host.ping();
    await until(() => host.rss === 5, 'all of it was read');
    expect(host.size).toBe(0);
    expect(calls).toEqual([]);
    host.kill('the test is over');
    await exit;
  });

  test('that is silent is killed by the heartbeat', async () => {
    const files = await liar('silent', `writeSync(3, ${bytesOf(greeting)});\n${staying}`);
    const { host, exit } = await start({ layer, files });
    // As if the time had passed.
    host.tick(performance.now() + 1_000);
    host.tick(performance.now() + 60_000);
    expect(await exit).toContain('heartbeat');
  });
});
