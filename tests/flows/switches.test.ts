import { afterAll, beforeAll, beforeEach, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { install, tempFolder } from '../kit/plugin.ts';
import { type RunningCore, startCore } from '../kit/start-core.ts';
import { until } from '../kit/until.ts';

// An admin cuts one capability of a plugin: it goes on with the rest, and nothing of that capability happens any more.

setDefaultTimeout(60_000);

const NAME = 'talkative';
const OTHER = 'bystander';
let data: Awaited<ReturnType<typeof tempFolder>>;
let core: RunningCore;
let outside: ReturnType<typeof Bun.serve>;
let requests = 0;
let bodiesOpen = 0;

/** Answers at once, or gives a body that goes on until its reader leaves, or hangs before the head. */
function serveOutside() {
  return Bun.serve({
    port: 0,
    hostname: '127.0.0.1',
    idleTimeout: 0,
    async fetch(request) {
      requests += 1;
      const { pathname } = new URL(request.url);
      if (pathname === '/away') return Response.redirect('/hello');
      if (pathname === '/hang') {
        bodiesOpen += 1;
        return new Promise<Response>((resolve) => {
          request.signal.addEventListener('abort', () => {
            bodiesOpen -= 1;
            resolve(new Response(null));
          });
        });
      }
      if (pathname !== '/drip') return new Response('from outside');
      bodiesOpen += 1;
      const body = new ReadableStream({
        start: (controller) => controller.enqueue(new Uint8Array(100_000)),
        cancel: () => {
          bodiesOpen -= 1;
        },
      });
      return new Response(body);
    },
  });
}

const plugin = (name: string, version = '1.0.0') => ({
  manifest: {
    name,
    version,
    permissions: [`network:127.0.0.1:${outside.port}`, 'events:subscribe:custom.ping'],
    optionalPermissions: ['users:read'],
  },
  'index.ts': `
    const URL = 'http://127.0.0.1:${outside.port}';
    const open = { auth: 'public' };
    const shown = (error) => ({
      name: error.name,
      code: error.code,
      permission: error.permission,
      message: error.message,
      refusal: error instanceof streamspace.PermissionError,
    });
    let heard = 0;
    let ticks = 0;
    let ended = null;
    export default {
      onLoad({ api, events, scheduler, storage, fetch }) {
        api.get('/hello', () => '${version}', open);
        api.get('/get/*', async (request, { params }) => {
          try {
            return { text: await (await fetch(URL + '/' + params['*'])).text() };
          } catch (error) {
            return { error: shown(error) };
          }
        }, open);
        api.post('/listen', async () => {
          const reader = (await fetch(URL + '/drip')).body.getReader();
          await reader.read();
          const rest = async () => { for (;;) if ((await reader.read()).done) return { done: true }; };
          rest().catch(shown).then((how) => { ended = how; });
          return 'listening';
        }, open);
        api.get('/ended', () => ended, open);
        api.get('/counts', async () => ({ heard, ticks, kept: await storage.increment('kept', 1) }), open);
        api.get('/endless', () => new Response(new ReadableStream({
          pull: (controller) => new Promise((resolve) => setTimeout(() => {
            controller.enqueue(new TextEncoder().encode('data: x\\n\\n'));
            resolve();
          }, 5)),
        })), open);
        events.on('custom.ping', () => { heard += 1; });
        scheduler.every('1s', () => { ticks += 1; }, { name: 'beat' });
      },
    };`,
});

const start = () => startCore({ dataDir: data.path, database: 'embedded' });
const get = async (path: string, name = NAME) => core.api('GET', `/api/plugins/${name}/${path}`, { token: null });
const turn = (capability: string, on: boolean, reason?: string) =>
  core.api('PUT', `/api/plugins/${NAME}/switches/${capability}`, { body: { on, reason } });
// biome-ignore lint/suspicious/noExplicitAny: as the API answers it
const report = async (query = ''): Promise<any> =>
  (await core.api('GET', `/api/plugins/${NAME}/permissions${query}`)).body;
const counts = async () => (await get('counts')).body as { heard: number; ticks: number; kept: number };
const network = () => `network:127.0.0.1:${outside.port}`;

beforeAll(async () => {
  outside = serveOutside();
  data = await tempFolder();
  core = await start();
  await install(core, plugin(NAME), { grants: [network(), 'events:subscribe:custom.ping', 'users:read'] });
  await install(core, plugin(OTHER));
});
afterAll(async () => {
  await core?.stop();
  await outside?.stop(true);
  await data?.[Symbol.asyncDispose]();
});

describe('egress', () => {
  test('is cut while a body is streaming and a request hangs: both end with a refusal, and the plugin goes on', async () => {
    expect((await get('get/hello')).body).toEqual({ text: 'from outside' });
    expect((await core.api('POST', `/api/plugins/${NAME}/listen`, { token: null })).body).toBe('listening');
    const hanging = get('get/hang');
    await until(() => bodiesOpen === 2, 'the body and the request are under way');
    expect((await get('ended')).body).toBeNull();

    expect((await turn('fetch', false, 'It talks to a stranger')).status).toBe(200);

    const message = 'An admin switched "fetch" off for this plugin';
    const refusal = { name: 'PermissionError', code: 'permission_denied', permission: 'fetch', message, refusal: true };
    expect((await hanging).body).toEqual({ error: refusal });
    expect(await until(async () => (await get('ended')).body, 'the body has ended')).toEqual(refusal);
    await until(() => bodiesOpen === 0, 'the connections are closed');
    expect((await get('hello')).body).toBe('1.0.0');
    expect((await core.api('GET', `/api/plugins/${NAME}`)).body).toMatchObject({ state: 'active', error: null });
  });

  test('is refused meanwhile, by name and in the log; nothing is sent, and only of this plugin', async () => {
    const before = requests;
    const { error } = (await get('get/hello')).body;
    expect(error).toMatchObject({ name: 'PermissionError', code: 'permission_denied', permission: network() });
    expect(error.message).toContain('admin switched "fetch" off');
    expect(requests).toBe(before);
    expect((await get('get/hello', OTHER)).body).toEqual({ text: 'from outside' });
    const refused = (line: { msg?: string; permission?: unknown }) =>
      line.msg === 'a guest call was refused' && line.permission === network();
    expect(await core.line(refused, 'the refusal is in the log')).toMatchObject({ plugin: NAME });
  });

  test('shows in the report, used against granted', async () => {
    const { permissions, capabilities, unused } = await report('?unusedDays=0');
    const egress = permissions.find(({ permission }: { permission: string }) => permission === network());
    expect(egress).toMatchObject({ granted: true, asked: true, optional: false, uses: 3, refused: 1 });
    expect(Date.parse(egress.lastRefusedAt)).toBeGreaterThanOrEqual(Date.parse(egress.lastUsedAt));
    expect(Date.parse(egress.lastUsedAt)).toBeGreaterThanOrEqual(Date.parse(egress.firstUsedAt));
    expect(unused).toEqual(['users:read']);
    const fetching = capabilities.find(({ capability }: { capability: string }) => capability === 'fetch');
    expect(fetching).toMatchObject({ on: false, switchable: true, uses: 3, refused: 1 });
    expect(fetching.off.reason).toBe('It talks to a stranger');
    expect((await report()).unused).toEqual([]);
  });

  test('stays cut over a reload and an upgrade', async () => {
    await core.api('POST', `/api/plugins/${NAME}/reload`);
    expect((await get('get/hello')).body.error.code).toBe('permission_denied');
    await install(core, plugin(NAME, '1.1.0'));
    expect((await get('hello')).body).toBe('1.1.0');
    expect((await get('get/hello')).body.error.code).toBe('permission_denied');
  });

  test('stays cut over a restart of the core, and so do the counts', async () => {
    expect(await core.stop()).toBe(0);
    core = await start();
    expect((await get('hello')).body).toBe('1.1.0');
    expect((await get('get/hello')).body.error.code).toBe('permission_denied');
    const { permissions } = await report();
    expect(permissions.find(({ permission }: { permission: string }) => permission === network())).toMatchObject({
      uses: 3,
      refused: 4,
    });
  });

  test('is back with the next call', async () => {
    expect((await turn('fetch', true)).status).toBe(200);
    expect((await get('get/hello')).body).toEqual({ text: 'from outside' });
    // The host of a redirect is a use of its grant too.
    expect((await get('get/away')).body).toEqual({ text: 'from outside' });
    const { permissions } = await report();
    expect(permissions.find(({ permission }: { permission: string }) => permission === network()).uses).toBe(6);
  });
});

describe('what the plugin registered', () => {
  beforeEach(async () => {
    for (const capability of ['api', 'events', 'scheduler']) await turn(capability, true);
  });

  test('api: endpoints answer 503 with a code that says so, running bodies end, the rest and the admin side go on', async () => {
    const endless = await fetch(`${core.url}/api/plugins/${NAME}/endless`);
    const reader = (endless.body as ReadableStream<Uint8Array>).getReader();
    await reader.read();
    await turn('api', false);
    const drained = (async () => {
      while (!(await reader.read()).done);
    })().catch(() => undefined);
    expect(await get('hello')).toMatchObject({ status: 503, body: { code: 'capability_off', capability: 'api' } });
    await drained;
    expect((await get('hello', OTHER)).status).toBe(200);
    // It loads with its endpoints resting, and they are there when they are on.
    expect((await core.api('POST', `/api/plugins/${NAME}/reload`)).body).toMatchObject({ state: 'active' });
    expect((await get('hello')).status).toBe(503);
    await turn('api', true);
    expect((await get('hello')).status).toBe(200);
  });

  test('events: deliveries wait, uncounted, and come when it is on', async () => {
    const { heard } = await counts();
    await turn('events', false);
    await core.api('POST', '/api/events', { body: { name: 'custom.ping', data: {} } });
    const deliveries = async (name: string, state: string) =>
      (await core.api('GET', `/api/plugins/${name}/deliveries?state=${state}`)).body.items.filter(
        ({ event }: { event: { name: string } }) => event.name === 'custom.ping',
      );
    await until(async () => (await deliveries(OTHER, 'done')).length === 1, 'the other plugin has it');
    expect(await deliveries(NAME, 'pending')).toMatchObject([{ attempts: 0 }]);
    expect((await counts()).heard).toBe(heard);
    await turn('events', true);
    await until(async () => (await counts()).heard === heard + 1, 'it is delivered');
  });

  test('scheduler: runs are skipped, with a line in the log, and go on when it is on', async () => {
    await until(async () => (await counts()).ticks > 0, 'the job runs');
    await turn('scheduler', false);
    await core.line((line) => line.job === 'beat' && line.plugin === NAME, 'a run is left out');
    const { ticks } = await counts();
    await turn('scheduler', true);
    await until(async () => (await counts()).ticks > ticks, 'the job runs again');
  });

  test('storage: a call that fails is all that fails', async () => {
    await turn('storage', false);
    expect((await get('counts')).status).toBe(500);
    expect((await get('hello')).status).toBe(200);
    await turn('storage', true);
    expect((await counts()).kept).toBeGreaterThan(0);
  });
});

describe('over REST', () => {
  test.each([
    ['a capability that is none', 'switches/teleport', { on: false }, 404, 'not_found'],
    ['the log, which cannot be cut', 'switches/log', { on: false }, 422, 'validation_failed'],
    ['the configuration, which cannot be cut', 'switches/config', { on: false }, 422, 'validation_failed'],
    ['no word of on or off', 'switches/fetch', { reason: 'none' }, 422, 'validation_failed'],
    ['control characters', 'switches/fetch', { on: false, reason: 'a\u0000b' }, 422, 'validation_failed'],
  ])('%s is refused', async (_what, path, body, status, code) => {
    expect(await core.api('PUT', `/api/plugins/${NAME}/${path}`, { body })).toMatchObject({ status, body: { code } });
  });

  test('it is for admins, of plugins that are there', async () => {
    const token = await core.signUp('somebody@example.com');
    const put = (name: string, by?: string) =>
      core.api('PUT', `/api/plugins/${name}/switches/fetch`, {
        body: { on: false },
        ...(by === undefined ? {} : { token: by }),
      });
    expect((await put(NAME, token)).status).toBe(403);
    expect((await core.api('GET', `/api/plugins/${NAME}/permissions`, { token })).status).toBe(403);
    expect(await put('nobody')).toMatchObject({ status: 404, body: { code: 'plugin_not_found' } });
    expect((await get('get/hello')).body).toEqual({ text: 'from outside' });
  });

  test('it is in the OpenAPI document', async () => {
    const { paths } = (await core.api('GET', '/api/openapi.json')).body;
    expect(paths['/api/plugins/{id}/switches/{capability}'].put.summary).toContain('Cut one capability');
    expect(paths['/api/plugins/{id}/permissions'].get.summary).toContain('What a plugin was granted');
  });

  test('a plugin that is removed and installed again starts with everything on', async () => {
    await turn('fetch', false);
    await core.api('DELETE', `/api/plugins/${NAME}`);
    await install(core, plugin(NAME));
    expect((await get('get/hello')).body).toEqual({ text: 'from outside' });
    const { permissions } = await report();
    expect(permissions.find(({ permission }: { permission: string }) => permission === network())).toMatchObject({
      uses: 1,
      refused: 0,
    });
  });
});
