import { afterAll, beforeAll, expect, setDefaultTimeout, test } from 'bun:test';
import { type Cdp, connectCdp, MappedScript } from '../kit/cdp.ts';
import { install } from '../kit/plugin.ts';
import { descendantsOf } from '../kit/processes.ts';
import { type RunningCore, startCore } from '../kit/start-core.ts';
import { until } from '../kit/until.ts';

// A debugger on a plugin that serves: breakpoints in its TypeScript, through the real product.

setDefaultTimeout(60_000);

let core: RunningCore;

beforeAll(async () => {
  core = await startCore();
});
afterAll(async () => {
  await core?.stop();
});

const INDEX = `import { total } from './prices.ts';

interface Basket { readonly items: readonly number[] }

export default {
  onLoad({ api }) {
    const open = { auth: 'public' } as const;
    let calls = 0;
    api.post('/total', async (request, ctx) => {
      const basket: Basket = await request.json();
      return ctx.json({ total: total(basket.items), calls: ++calls });
    }, open);
    api.get('/fail', () => { throw new Error('as told'); }, open);
    api.get('/stop', () => { debugger; return 'went on'; }, open);
    api.get('/loop', () => { for (;;); }, open);
    api.get('/never', () => new Promise(() => {}), open);
  },
};`;
const PRICES = `// Prices are in cents.
export function total(items: readonly number[]): number {
  let sum: number = 0;
  for (const item of items) sum += item;
  const rounded = Math.round(sum);
  return rounded;
}
`;

const WALL_MS = 600;
const shop = (name: string, limits: object = {}) =>
  install(core, {
    manifest: { name, limits: { wallMsPerCall: WALL_MS, cpuMsPerCall: 300, ...limits } },
    'index.ts': INDEX,
    'prices.ts': PRICES,
  });
const inspect = (name: string): Promise<Cdp> =>
  connectCdp(`${core.url}/api/plugins/${name}/inspector`, { authorization: `Bearer ${core.token}` });
const ask = (name: string, path: string, body?: object) =>
  core.api(body === undefined ? 'GET' : 'POST', `/api/plugins/${name}${path}`, {
    token: null,
    ...(body === undefined ? {} : { body }),
  });
const hostOf = async (name: string): Promise<string> => (await core.api('GET', `/api/plugins/${name}`)).body.host;
const basket = { items: [100, 250.4] };

/** Enables debugging; answers the bundle with its source map. */
async function enable(cdp: Cdp, name: string): Promise<MappedScript> {
  await cdp.call('Runtime.enable');
  await cdp.call('Debugger.enable');
  return new MappedScript(await cdp.heard('Debugger.scriptParsed', ({ url }) => url === `plugin:${name}`));
}

test('a breakpoint in TypeScript: paused beyond the deadline, a variable is read, and the request is answered', async () => {
  await shop('debugged');
  await shop('neighbour');
  expect((await ask('debugged', '/total', basket)).body).toEqual({ total: 350, calls: 1 });
  await using cdp = await inspect('debugged');
  expect(await hostOf('debugged')).toStartWith('inspected:debugged:');

  const script = await enable(cdp, 'debugged');
  expect([...script.sources].sort()).toEqual(['plugin://debugged/index.ts', 'plugin://debugged/prices.ts']);
  const { actualLocation } = await cdp.call('Debugger.setBreakpoint', {
    location: script.location('plugin://debugged/prices.ts', 6),
  });
  expect(script.original(actualLocation)).toBe('plugin://debugged/prices.ts:6');

  const asked = ask('debugged', '/total', basket);
  const { callFrames } = await cdp.heard('Debugger.paused');
  expect(callFrames[0].functionName).toBe('total');
  expect(script.original(callFrames[0].location)).toBe('plugin://debugged/prices.ts:6');
  const evaluate = (expression: string) =>
    cdp.call('Debugger.evaluateOnCallFrame', { callFrameId: callFrames[0].callFrameId, expression });
  expect((await evaluate('sum')).result.value).toBe(350.4);

  // Meanwhile: other plugins answer, and so does the core; the deadline and the heartbeats pass.
  const pausedAt = performance.now();
  while (performance.now() - pausedAt < 4 * WALL_MS) {
    expect((await ask('neighbour', '/total', basket)).body).toMatchObject({ total: 350 });
    expect((await core.api('GET', '/api/plugins/debugged')).body.state).toBe('active');
  }
  expect((await evaluate('rounded + 1')).result.value).toBe(351);
  await cdp.call('Debugger.resume');
  expect(await asked).toMatchObject({ status: 200, body: { total: 350, calls: 1 } });
  expect((await core.api('GET', '/api/plugins/debugged/post-mortems')).body.items).toEqual([]);
});

test('when the session is closed what is paused goes on, and the plugin is back in an ordinary isolate', async () => {
  await shop('let-go');
  const cdp = await inspect('let-go');
  await enable(cdp, 'let-go');
  const asked = ask('let-go', '/stop');
  await cdp.heard('Debugger.paused');
  await cdp.close();
  expect(await asked).toMatchObject({ status: 200, body: 'went on' });
  await until(async () => (await hostOf('let-go')).startsWith('unverified'), 'it is where it was');
  await until(async () => !(await core.api('GET', '/api/plugins/let-go/inspector')).body.open, 'nobody looks into it');
  expect((await ask('let-go', '/total', basket)).body).toEqual({ total: 350, calls: 1 });
  await using again = await inspect('let-go');
  await again.call('Runtime.enable');
  expect(again.all('Runtime.executionContextCreated').map(({ context }) => context.name)).toEqual(['let-go']);
  const [{ context }] = again.all('Runtime.executionContextCreated');
  const evaluated = await again.call('Runtime.evaluate', {
    expression: 'streamspace.plugin.name',
    contextId: context.id,
  });
  expect(evaluated.result.value).toBe('let-go');
});

test('a reload while it is paused: what is under way ends in the old one, and the session is closed', async () => {
  await shop('replaced');
  const cdp = await inspect('replaced');
  await enable(cdp, 'replaced');
  const asked = ask('replaced', '/stop');
  await cdp.heard('Debugger.paused');
  expect((await core.api('POST', '/api/plugins/replaced/reload')).status).toBe(200);
  expect(await asked).toMatchObject({ status: 200, body: 'went on' });
  expect(await cdp.closed).toMatchObject({ code: 1012, reason: 'another instance has taken over' });
  expect((await ask('replaced', '/total', basket)).status).toBe(200);
});

test('disabling a plugin that is paused takes it away', async () => {
  await shop('disabled');
  const cdp = await inspect('disabled');
  await enable(cdp, 'disabled');
  const asked = ask('disabled', '/stop');
  await cdp.heard('Debugger.paused');
  expect((await core.api('POST', '/api/plugins/disabled/disable')).status).toBe(200);
  expect((await asked).status).not.toBe(500);
  await cdp.closed;
  expect((await core.api('GET', '/api/plugins/disabled')).body.state).toBe('installed');
});

test('without a pause the deadlines hold: a call that never ends, and one that loops', async () => {
  for (const path of ['/never', '/loop']) {
    const name = `held${path.slice(1)}`;
    await shop(name);
    const cdp = await inspect(name);
    await enable(cdp, name);
    expect(await ask(name, path)).toMatchObject({ status: 504, body: { code: 'plugin_deadline' } });
    await cdp.closed;
    await until(async () => (await ask(name, '/total', basket)).status === 200, `${name} answers again`);
  }
});

test('a loop can be looked at: it is paused, shown, and goes on to its deadline', async () => {
  await shop('looping', { wallMsPerCall: 3_000 });
  const cdp = await inspect('looping');
  const script = await enable(cdp, 'looping');
  const asked = ask('looping', '/loop');
  await until(async () => (await core.api('GET', '/api/plugins/looping/metrics')).body.cpuMs > 20, 'it loops');
  await cdp.call('Debugger.pause');
  const { callFrames } = await cdp.heard('Debugger.paused');
  expect(script.original(callFrames[0].location)).toBe('plugin://looping/index.ts:15');
  await cdp.call('Debugger.resume');
  expect((await asked).status).toBe(504);
});

test('the log of an inspected plugin has its places too', async () => {
  await shop('told');
  await using cdp = await inspect('told');
  await enable(cdp, 'told');
  expect((await ask('told', '/fail')).status).toBe(500);
  expect(await core.logged('told', 'as told')).toContain('at index.ts:13:');
});

test('its process goes with the inspection; when it is killed meanwhile, the plugin is back by itself', async () => {
  await shop('killed');
  /** The process that the plugin is inspected in. */
  const processOf = async (): Promise<number | null> => {
    const { body } = await core.api('GET', '/readyz?verbose');
    const [, pid] = /inspected:killed:\d+: pid (\d+)/.exec(JSON.stringify(body)) ?? [];
    return pid === undefined ? null : Number(pid);
  };
  const first = await inspect('killed');
  await first.call('Runtime.enable');
  const pid = await processOf();
  expect(pid).not.toBeNull();
  await first.close();
  await until(async () => (await processOf()) === null, 'its process is gone');
  expect(descendantsOf(core.pid).map((one) => one.pid)).not.toContain(pid as number);

  const cdp = await inspect('killed');
  await enable(cdp, 'killed');
  const asked = ask('killed', '/stop');
  await cdp.heard('Debugger.paused');
  process.kill((await processOf()) as number, 'SIGKILL');
  expect((await asked).status).toBe(503);
  await cdp.closed;
  expect((await ask('killed', '/total', basket)).status).toBe(200);
  expect(await hostOf('killed')).not.toStartWith('inspected:');
  expect(await processOf()).toBeNull();
});
