import { afterAll, beforeAll, beforeEach, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { startLoad } from '../kit/load.ts';
import { install } from '../kit/plugin.ts';
import { isolateHostsOf } from '../kit/processes.ts';
import { type RunningCore, startCore } from '../kit/start-core.ts';
import { until } from '../kit/until.ts';

// The isolate host may die at any moment (DESIGN 1), and a plugin may do its worst: others hardly notice.

setDefaultTimeout(60_000);

const PLUGINS = ['one', 'two', 'three'].map((name) => `steady-${name}`);
let core: RunningCore;

beforeAll(async () => {
  core = await startCore();
  for (const name of PLUGINS) {
    await install(core, {
      manifest: { name },
      'index.ts': `
        export default {
          onLoad({ api, storage, events }) {
            let calls = 0;
            api.get('/hello', () => ({ name: '${name}', calls: (calls += 1) }), { auth: 'public' });
            api.get('/count', () => storage.increment('count'), { auth: 'public' });
            events.on('plugin.${name}.said', () => storage.increment('heard'));
            api.get('/heard', () => storage.get('heard'), { auth: 'public' });
            api.post('/say', () => events.emit('said'), { auth: 'public' });
          },
        };`,
    });
  }
});
afterAll(async () => {
  await core?.stop();
});

const get = (path: string) => core.api('GET', `/api/plugins/${path}`, { token: null });
const shown = async (name: string) => (await core.api('GET', `/api/plugins/${name}`)).body;
const allServe = async (): Promise<boolean> => {
  const answers = await Promise.all(PLUGINS.map((name) => get(`${name}/hello`)));
  return answers.every(({ status }) => status === 200);
};
/** Kills every isolate host, also the one that is kept ahead of need; those after have other numbers. */
function killHosts(): readonly number[] {
  const pids = isolateHostsOf(core.pid);
  if (pids.length === 0) throw new Error('there is no isolate host');
  for (const pid of pids) process.kill(pid, 'SIGKILL');
  return pids;
}
const isBackAfter = (killed: readonly number[]) =>
  until(() => isolateHostsOf(core.pid).some((pid) => !killed.includes(pid)), 'another isolate host');

describe('an isolate host that is killed', () => {
  test('under load: nothing but 200 and 503 with Retry-After, for less than a second, and all plugins are back', async () => {
    const load = startLoad(`${core.url}/api/plugins/steady-one/hello`, ({ status, headers }, text) =>
      status === 200 ? text.includes('steady-one') : status === 503 && headers.get('retry-after') === '1',
    );
    await load.more(100);
    const killed = killHosts();
    const since = performance.now();
    await isBackAfter(killed);
    await until(allServe, 'all plugins serve again', 5_000);
    const took = performance.now() - since;
    await load.more(100);
    await load.stop();
    expect(load.odd).toEqual([]);
    expect([...load.statuses.keys()].filter((status) => status !== 200 && status !== 503)).toEqual([]);
    // The issue says 1 s; the tests of other files may take the machine's time.
    expect(took).toBeLessThan(3_000);
    for (const name of PLUGINS) expect(await shown(name)).toMatchObject({ state: 'active', error: null });
  });

  test('loses no data, no subscription and no count', async () => {
    const { body: before } = await get('steady-two/count');
    const killed = killHosts();
    await isBackAfter(killed);
    expect((await get('steady-two/count')).body).toBe(before + 1);
    await core.api('POST', '/api/plugins/steady-two/say', { token: null });
    await until(async () => (await get('steady-two/heard')).body, 'an event after the crash is delivered');
    const { restarts } = (await core.api('GET', '/api/plugins/steady-two/metrics')).body;
    expect(restarts).toBeGreaterThanOrEqual(2);
  });

  test('again and again, also while the plugins are being loaded into the next one', async () => {
    for (let round = 0; round < 2; round += 1) {
      const killed = killHosts();
      await isBackAfter(killed);
    }
    await until(allServe, 'all plugins serve again');
    for (const name of PLUGINS) expect(await shown(name)).toMatchObject({ state: 'active', error: null });
    const { body } = await core.api('GET', '/readyz?verbose');
    expect(body.status).toBe('ready');
  });
});

describe('a plugin that does its worst', () => {
  beforeAll(async () => {
    await install(core, {
      manifest: { name: 'worst', limits: { cpuMsPerCall: 150, wallMsPerCall: 400, memoryMb: 16 } },
      'index.ts': `
        const kept: unknown[] = [];
        export default {
          onLoad({ api }) {
            const open = { auth: 'public' } as const;
            api.get('/hello', () => 'still here', open);
            api.get('/loop', () => { for (;;); }, open);
            api.get('/loop-later', async () => { await 0; for (;;); }, open);
            api.get('/regex', () => /^(a+)+$/.test('a'.repeat(40) + 'b'), open);
            api.get('/never', () => new Promise(() => {}), open);
            api.get('/bomb', () => { for (;;) kept.push(new Array(50_000).fill(kept.length)); }, open);
            api.get('/timer', () => { setTimeout(() => { for (;;); }, 0); return 'later'; }, open);
            api.get('/turns', (request) => { while (request.url.endsWith('?loop')); return 'quick'; }, open);
            api.get('/state', () => { kept.push(1); return kept.length; }, open);
            api.get('/evil', () => {
              throw new Proxy({}, { get() { for (;;); } });
            }, open);
          },
        };`,
    });
  });
  // Each starts with a clean record: strikes of the minute before are forgiven when an admin enables the plugin.
  beforeEach(async () => {
    expect(await core.api('POST', '/api/plugins/worst/enable')).toMatchObject({
      status: 200,
      body: { state: 'active' },
    });
  });

  test.each([
    ['loop', 504, 'plugin_deadline'],
    ['loop-later', 504, 'plugin_deadline'],
    ['regex', 504, 'plugin_deadline'],
    ['evil', 504, 'plugin_deadline'],
    ['never', 504, 'plugin_deadline'],
  ])('%s: %d, others go on, and it serves again', async (path, status, code) => {
    const others = startLoad(`${core.url}/api/plugins/steady-one/hello`, (response) => response.status === 200, 2);
    const started = performance.now();
    expect(await get(`worst/${path}`)).toMatchObject({ status, body: { code } });
    expect(performance.now() - started).toBeLessThan(5_000);
    expect(await until(async () => (await get('worst/hello')).body, 'it serves again')).toBe('still here');
    await others.more(10);
    await others.stop();
    expect(others.odd).toEqual([]);
    expect(isolateHostsOf(core.pid)).not.toEqual([]);
  });

  test('a memory bomb ends by its memory or its CPU limit, whichever is first, and it serves again', async () => {
    expect(['plugin_error', 'plugin_deadline']).toContain((await get('worst/bomb')).body.code);
    expect(await until(async () => (await get('worst/hello')).body, 'it serves again')).toBe('still here');
  });

  test('a handler that was quick and then loops: ended on the main thread, others go on', async () => {
    const others = startLoad(`${core.url}/api/plugins/steady-one/hello`, (response) => response.status === 200, 2);
    const [host] = isolateHostsOf(core.pid);
    for (let round = 0; round < 20; round += 1) expect((await get('worst/turns')).body).toBe('quick');
    expect(await get('worst/turns?loop')).toMatchObject({ status: 504, body: { code: 'plugin_deadline' } });
    expect(await until(async () => (await get('worst/turns')).body, 'it serves again')).toBe('quick');
    await others.more(10);
    await others.stop();
    expect(others.odd).toEqual([]);
    expect(isolateHostsOf(core.pid)).toContain(host as number);
  });

  test('after a timeout the isolate is another: nothing of its state is left', async () => {
    expect((await get('worst/state')).body).toBe(1);
    expect((await get('worst/state')).body).toBe(2);
    await get('worst/loop');
    expect((await get('worst/state')).body).toBe(1);
    await get('worst/state');
    await get('worst/never');
    await until(async () => (await get('worst/state')).body === 1, 'a fresh isolate answers');
    expect(await core.logged('worst', 'over its deadline')).toContain('replaced');
  });

  test('a loop outside of any call is found too', async () => {
    const { restarts } = (await core.api('GET', '/api/plugins/worst/metrics')).body;
    expect((await get('worst/timer')).body).toBe('later');
    await until(
      async () => (await core.api('GET', '/api/plugins/worst/metrics')).body.restarts > restarts,
      'the isolate is replaced',
    );
    expect((await get('worst/hello')).body).toBe('still here');
  });

  test('too often: it is quarantined with the reason, others are not, and an admin can release it', async () => {
    const quarantined = async (): Promise<boolean> => (await shown('worst')).state === 'quarantined';
    for (let round = 0; round < 5; round += 1) {
      expect((await get('worst/loop')).status).toBe(504);
      await until(async () => (await quarantined()) || (await shown('worst')).state === 'active', 'it is settled');
    }
    expect(await quarantined()).toBe(true);
    expect(await get('worst/hello')).toMatchObject({ status: 503, body: { code: 'plugin_quarantined' } });
    expect(await shown('worst')).toMatchObject({
      enabled: true,
      error: { code: 'plugin_quarantined', message: expect.stringContaining('5 strikes') },
    });
    const announced = async () => (await core.api('GET', '/api/events?name=plugin.quarantined')).body.items[0];
    expect((await until(announced, 'it is announced')).data).toMatchObject({ plugin: 'worst' });
    expect(await allServe()).toBe(true);

    // It stays so when the host is lost.
    await isBackAfter(killHosts());
    await until(allServe, 'the others serve again');
    expect((await get('worst/hello')).status).toBe(503);

    expect(await core.api('POST', '/api/plugins/worst/enable')).toMatchObject({
      status: 200,
      body: { state: 'active' },
    });
    expect((await get('worst/hello')).body).toBe('still here');
  });
});
