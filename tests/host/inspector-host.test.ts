import { beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { detectLayers } from '../../src/host/confinement.ts';
import { hostFiles } from '../../src/host/files.ts';
import { type Guest, type GuestEvents, GuestFailure } from '../../src/host/guest.ts';
import { IsolateHost } from '../../src/host/isolate-host.ts';
import { loadPrelude } from '../../src/host/prelude.ts';
import { createLog } from '../../src/log.ts';
import { tempFolder } from '../kit/plugin.ts';
import { until, within } from '../kit/until.ts';

// V8's inspector in the real Node child, locked in as each layer does it.

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
const HEAD = {
  plugin: 'tester',
  version: '1.0.0',
  memoryMb: 32,
  cpuMs: 100,
  loadMs: 5_000,
  timers: 100,
  onPool: true,
  config: {},
};
/** What it does is done by its hook. */
const BUNDLE = `
  function fibonacci(n) { return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2); }
  module.exports = {
    onWork() { return void fibonacci(30); },
    onStop() { debugger; },
    onLoop() { globalThis.looping = true; while (!globalThis.enough); },
    onFail() { throw new Error('as told'); },
  };`;

/** Where `onFail` throws, in the bundle. */
const FAIL_LINE = BUNDLE.slice(0, BUNDLE.indexOf('as told')).split('\n').length;

let prelude: string;
beforeAll(async () => {
  await using cache = await tempFolder();
  prelude = await loadPrelude(cache.path);
});

async function start(layer: (typeof LAYERS)[number]['layer']): Promise<IsolateHost & Disposable> {
  const host = await IsolateHost.start({
    files: hostFiles(),
    layer,
    prelude,
    log: createLog('silent'),
    guests: EVENTS,
    onExit: nothing,
  });
  return Object.assign(host, { [Symbol.dispose]: () => host.kill('the test is over') });
}

const hook = (guest: Guest, name: string, deadlineMs = 20_000) =>
  guest.invoke({ lane: 60_002, what: name, payload: JSON.stringify({ name, args: [] }), deadlineMs });

/** A session, and what comes in it. */
function session(guest: Guest) {
  const { inspection } = guest;
  if (inspection === null) throw new Error('it was not made for inspection');
  const answers = new Map<number, (result: unknown) => void>();
  const heard: { method: string; resolve: () => void }[] = [];
  inspection.begin({
    onMessage(message) {
      const { id, method, result } = JSON.parse(message) as { id?: number; method?: string; result?: unknown };
      if (id !== undefined) answers.get(id)?.(result);
      for (const one of heard) if (one.method === method) one.resolve();
    },
    onEnd: nothing,
  });
  let lastId = 0;
  return {
    call<T>(method: string, params: object = {}): Promise<T> {
      lastId += 1;
      const id = lastId;
      const answer = new Promise<T>((resolve) => answers.set(id, resolve as (result: unknown) => void));
      inspection.send(JSON.stringify({ id, method, params }));
      return within(answer, `${method} is answered`);
    },
    next: (method: string) =>
      within(new Promise<void>((resolve) => heard.push({ method, resolve })), `${method} is heard of`),
    end: () => inspection.end('the test says so'),
  };
}

describe.each(LAYERS.map(({ layer }) => layer))('in the layer %s', (layer) => {
  test('the profiler sees where the time goes: it may signal its own threads', async () => {
    using host = await start(layer);
    const guest = await host.load(1, { ...HEAD, inspect: true }, BUNDLE);
    const cdp = session(guest);
    await cdp.call('Profiler.enable');
    interface Node {
      readonly callFrame: { readonly functionName: string };
      readonly hitCount: number;
    }
    // V8 watches the thread that it was begun on, and the isolate may have left that.
    await until(async () => {
      await cdp.call('Profiler.start');
      await hook(guest, 'onWork');
      const { profile } = await cdp.call<{ profile: { nodes: Node[] } }>('Profiler.stop');
      const hits = profile.nodes.filter(({ callFrame }) => callFrame.functionName === 'fibonacci');
      return hits.reduce((sum, { hitCount }) => sum + hitCount, 0) > 3;
    }, 'it sees the work');
  });
});

describe('an isolate', () => {
  const layer = LAYERS[0]?.layer ?? 'permission';

  test('that is paused is let go when the core says so', async () => {
    using host = await start(layer);
    const guest = await host.load(1, { ...HEAD, inspect: true }, BUNDLE);
    const cdp = session(guest);
    await cdp.call('Debugger.enable');
    const paused = cdp.next('Debugger.paused');
    const stopped = hook(guest, 'onStop').catch((error: { code: string }) => error.code);
    await paused;
    guest.dispose();
    expect(await stopped).toBe('plugin_unavailable');
    await until(() => host.size === 0, 'the process confirms it, and is empty');
  });

  test('goes on when its session ends', async () => {
    using host = await start(layer);
    const guest = await host.load(1, { ...HEAD, inspect: true }, BUNDLE);
    const cdp = session(guest);
    await cdp.call('Debugger.enable');
    const paused = cdp.next('Debugger.paused');
    const stopped = hook(guest, 'onStop');
    await paused;
    cdp.end();
    expect((await within(stopped, 'it went on')).head).toBe('');
    await hook(guest, 'onStop');
  });

  test('is paused in the middle of its work and goes on, however quickly that is asked for', async () => {
    using host = await start(layer);
    const guest = await host.load(1, { ...HEAD, inspect: true }, BUNDLE);
    const cdp = session(guest);
    await cdp.call('Debugger.enable');
    const looping = hook(guest, 'onLoop', 120_000);
    interface Evaluated {
      readonly result: { readonly value?: unknown };
    }
    const evaluate = (expression: string) => cdp.call<Evaluated>('Runtime.evaluate', { expression, contextId: 2 });
    // What is asked for while nothing runs is forgotten.
    await until(async () => (await evaluate('globalThis.looping')).result.value === true, 'it loops');
    for (let times = 0; times < 300; times += 1) {
      const paused = cdp.next('Debugger.paused');
      void cdp.call('Debugger.pause');
      await paused;
      // One that is not over yet is a pause: another would be none.
      const resumed = cdp.next('Debugger.resumed');
      void cdp.call('Debugger.resume');
      await resumed;
    }
    await evaluate('globalThis.enough = true');
    await within(looping, 'it came to its end');
  });

  test('that was not made for inspection has no inspector, and the lines of its bundle', async () => {
    using host = await start(layer);
    const guest = await host.load(1, HEAD, BUNDLE);
    expect(guest.inspection).toBeNull();
    const error = await hook(guest, 'onFail').catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(GuestFailure);
    expect((error as GuestFailure).guest.stack).toContain(`plugin:tester:${FAIL_LINE}:`);
  });

  test('has its lines one below those of the bundle while it is inspected', async () => {
    using host = await start(layer);
    const guest = await host.load(1, { ...HEAD, inspect: true }, BUNDLE);
    const error = await hook(guest, 'onFail').catch((thrown: unknown) => thrown);
    expect((error as GuestFailure).guest.stack).toContain(`plugin:tester:${FAIL_LINE + 1}:`);
  });
});
