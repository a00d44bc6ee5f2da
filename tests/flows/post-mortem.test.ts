import { afterAll, beforeAll, expect, setDefaultTimeout, test } from 'bun:test';
import type { Page } from '../../src/events/store.ts';
import type { PostMortem, PostMortemSummary } from '../../src/post-mortems/record.ts';
import { install, tryInstall } from '../kit/plugin.ts';
import { type RunningCore, startCore } from '../kit/start-core.ts';
import { until } from '../kit/until.ts';

// Each kill leaves a record of what was known, through the real product.

setDefaultTimeout(60_000);

const SECRET = 'sk-live-0123456789';
let core: RunningCore;

beforeAll(async () => {
  core = await startCore();
});
afterAll(async () => {
  await core?.stop();
});

const SOURCE = `
  const kept: unknown[] = [];
  function spin(): never {
    for (;;);
  }
  export default {
    async onLoad({ api, storage, secrets }) {
      const name = 'told ' + String(await secrets.get('apiKey'));
      const told = { [name]() { for (;;); } };
      const open = { auth: 'public' } as const;
      api.get('/hello', () => 'still here', open);
      api.get('/loop', async () => {
        await storage.set('visits', 1);
        await storage.get('visits');
        spin();
      }, open);
      api.get('/spin', () => spin(), open);
      api.get('/never', () => new Promise(() => {}), open);
      api.get('/bomb', () => { for (;;) kept.push(new Array(50_000).fill(kept.length)); }, open);
      api.get('/hang', () => Array.prototype.indexOf.call({ length: 2 ** 53 - 1 }, 1), open);
      api.get('/tell/:secret', () => told[name](), open);
    },
  };`;

/** A plugin that can do all of it, under a name of its own. */
const worst = (name: string, limits: object = {}) =>
  install(
    core,
    {
      manifest: {
        name,
        limits: { cpuMsPerCall: 200, wallMsPerCall: 600, memoryMb: 16, ...limits },
        configSchema: { type: 'object', properties: { apiKey: { type: 'string', sensitive: true } } },
      },
      'index.ts': SOURCE,
    },
    { config: { apiKey: SECRET } },
  );
const ask = (name: string, path: string) => core.api('GET', `/api/plugins/${name}${path}`, { token: null });
const list = async (name: string) =>
  (await core.call<Page<PostMortemSummary>>('GET', `/api/plugins/${name}/post-mortems`)).body.items;
/** The newest one, as soon as there are so many. */
async function newest(name: string, count = 1): Promise<PostMortem> {
  const [first] = await until(async () => {
    const items = await list(name);
    return items.length >= count ? items : null;
  }, `${count} post-mortems of ${name}`);
  const { status, body } = await core.call<PostMortem>('GET', `/api/plugins/${name}/post-mortems/${first?.id}`);
  expect(status).toBe(200);
  return body;
}

test('a loop after two storage calls: what was asked, both calls, heap and process', async () => {
  await worst('pm-loop');
  expect(await list('pm-loop')).toEqual([]);
  expect((await ask('pm-loop', '/loop')).status).toBe(504);
  const found = await newest('pm-loop');
  expect(found).toMatchObject({ plugin: 'pm-loop', version: '1.0.0', cause: 'cpu', verdict: 'culprit' });
  expect(found.outcome).toBe('reloaded');
  expect(found.detail).toContain('200 ms');
  expect(found.underWay).toEqual([{ what: 'GET /loop', ms: expect.any(Number) }]);
  expect(found.underWay[0]?.ms).toBeGreaterThanOrEqual(200);
  expect(found.lastCalls.slice(-2)).toMatchObject([
    { call: 'storage.set', outcome: 'ok' },
    { call: 'storage.get', outcome: 'ok' },
  ]);
  expect(found.heap.limitBytes).toBe(16 * 1024 * 1024);
  expect(found.host).toMatchObject({ pid: expect.any(Number), placement: expect.any(String) });
  expect(JSON.stringify(found.lastCalls)).not.toContain('visits');
});

// On the main thread of its process a run is ended by the disposal of its isolate, which leaves no stack; a handler that has
// not proved to be quick runs on the pool.
test('a loop on the pool: where it was, in the source, and nothing of this machine', async () => {
  await worst('pm-spin');
  expect((await ask('pm-spin', '/spin')).status).toBe(504);
  const { stack } = await newest('pm-spin');
  expect(stack).toMatch(/^Error: Script execution timed out\.\n {4}at spin \(index\.ts:4:\d+\)\n/);
  expect(stack).not.toMatch(/node_modules|isolated-vm|streamspace:prelude|file:|\(\//);
});

test('a promise that never settles: the deadline, and what waited for it', async () => {
  await worst('pm-never');
  expect((await ask('pm-never', '/never')).status).toBe(504);
  const found = await newest('pm-never');
  expect(found).toMatchObject({ cause: 'deadline', verdict: 'culprit', outcome: 'replaced', stack: null });
  expect(found.underWay).toEqual([{ what: 'GET /never', ms: expect.any(Number) }]);
});

test('a memory bomb: the limit, and what was asked', async () => {
  await worst('pm-bomb');
  expect((await ask('pm-bomb', '/bomb')).status).toBe(500);
  const found = await newest('pm-bomb');
  expect(['memory', 'host']).toContain(found.cause);
  expect(found).toMatchObject({ verdict: 'culprit', outcome: 'reloaded' });
  expect(found.underWay).toMatchObject([{ what: 'GET /bomb' }]);
});

test('a builtin that nothing stops: its process is killed, and it is named as the culprit', async () => {
  await worst('pm-hang', { wallMsPerCall: 30_000 });
  expect((await ask('pm-hang', '/hang')).status).toBeGreaterThanOrEqual(500);
  const found = await newest('pm-hang');
  expect(found).toMatchObject({ cause: 'host', verdict: 'culprit', stack: null });
  expect(found.underWay).toMatchObject([{ what: 'GET /hang' }]);
  expect(found.host?.pid).toBeGreaterThan(0);
});

test('an upgrade that loops in onLoad: the record says so, and the old version serves', async () => {
  await worst('pm-onload');
  const looping = 'export default { onLoad() { for (;;); } };';
  const upgrade = { manifest: { name: 'pm-onload', version: '2.0.0' }, 'index.ts': looping };
  expect((await tryInstall(core, upgrade, { grants: 'all' })).status).toBeGreaterThanOrEqual(400);
  const found = await newest('pm-onload');
  expect(found).toMatchObject({ version: '2.0.0', cause: 'cpu', outcome: 'dropped' });
  expect(found.underWay).toMatchObject([{ what: 'hook onLoad' }]);
  expect(found.stack).toContain('index.ts:1:');
  expect((await ask('pm-onload', '/hello')).body).toBe('still here');
});

test('whoever asked has gone: it is still told what the plugin was busy with', async () => {
  await worst('pm-left');
  const left = new AbortController();
  const asked = fetch(`${core.url}/api/plugins/pm-left/loop`, { signal: left.signal }).catch(() => 'left');
  await until(
    async () => (await core.api('GET', '/api/plugins/pm-left/metrics')).body.hostCalls.storage >= 2,
    'it is in its loop',
  );
  left.abort();
  expect(await asked).toBe('left');
  expect((await newest('pm-left')).underWay).toMatchObject([{ what: 'GET /loop' }]);
});

test('no secret of the plugin is in it, whatever it calls its functions and paths', async () => {
  await worst('pm-secret');
  expect((await ask('pm-secret', `/tell/${SECRET}`)).status).toBe(504);
  const found = await newest('pm-secret');
  expect(found.stack).toContain('********');
  expect(found.underWay).toMatchObject([{ what: 'GET /tell/********' }]);
  expect(JSON.stringify(found)).not.toContain(SECRET);
});

test('too often: the last one says quarantined; they outlive a reload and an upgrade, and go with the plugin', async () => {
  await worst('pm-often');
  const state = async () => (await core.api('GET', '/api/plugins/pm-often')).body.state as string;
  for (let kills = 0; (await state()) !== 'quarantined'; kills += 1) {
    expect(kills).toBeLessThan(10);
    await ask('pm-often', '/loop');
    await newest('pm-often', kills + 1);
    await until(async () => (await state()) !== 'loading', 'it is settled');
  }
  const before = await list('pm-often');
  const reloaded: string[] = before.slice(1).map(() => 'reloaded');
  expect(before.map(({ outcome }) => outcome as string)).toEqual(['quarantined', ...reloaded]);
  await core.api('POST', '/api/plugins/pm-often/enable');
  await install(core, { manifest: { name: 'pm-often', version: '2.0.0' }, 'index.ts': 'export default {};' });
  expect(await list('pm-often')).toEqual(before);
  await core.api('DELETE', '/api/plugins/pm-often?data=keep');
  await install(core, { manifest: { name: 'pm-often' }, 'index.ts': 'export default {};' });
  expect(await list('pm-often')).toEqual([]);
});
