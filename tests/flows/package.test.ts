import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { install, pluginPackage, tryInstall } from '../kit/plugin.ts';
import { type RunningCore, startCore } from '../kit/start-core.ts';

// Flow 1 of DESIGN 2: an archive becomes a live plugin, changes, and goes again, and the core never restarts.

setDefaultTimeout(60_000);

let core: RunningCore;

beforeAll(async () => {
  core = await startCore();
});
afterAll(async () => {
  await core?.stop();
});

const get = (path: string) => core.api('GET', `/api/plugins/${path}`, { token: null });
const post = (path: string, body?: object) =>
  core.api('POST', `/api/plugins/${path}`, body === undefined ? {} : { body });

/** A plugin that says its version, keeps a count, and tells its log of its hooks. */
function counter(version: string, manifest: object = {}): Record<string, unknown> {
  return {
    manifest: { name: 'counter', version, ...manifest },
    'index.ts': `
      import { definePlugin } from '@streamspace/sdk';
      import { version } from './version.ts';
      export default definePlugin({
        onLoad({ api, log, storage }) {
          api.get('/count', async () => ({ version, count: await storage.increment('count') }), { auth: 'public' });
          log.info('hook onLoad ' + version);
        },
        onUnload: ({ log }) => log.info('hook onUnload ' + version),
        onEnable: ({ log }) => log.info('hook onEnable ' + version),
        onDisable: ({ log }) => log.info('hook onDisable ' + version),
        onUpgrade: (from, { log }) => log.info('hook onUpgrade ' + from + ' to ' + version),
      });`,
    'version.ts': `export const version = '${version}';`,
  };
}

test('upload, call, reload, upgrade, disable, enable, uninstall', async () => {
  const installed = await install(core, counter('1.0.0'));
  const { id } = installed;
  expect(installed).toMatchObject({
    id: expect.any(Number),
    name: 'counter',
    version: '1.0.0',
    source: 'upload',
    state: 'active',
    enabled: true,
    permissions: [],
    grants: [],
    endpoints: [{ method: 'GET', path: '/api/plugins/counter/count', auth: 'public' }],
    error: null,
  });
  expect((await get('counter/count')).body).toEqual({ version: '1.0.0', count: 1 });

  expect(await post('counter/reload')).toMatchObject({ status: 200, body: { state: 'active' } });
  expect((await get('counter/count')).body).toEqual({ version: '1.0.0', count: 2 });
  await core.logged('counter', 'hook onUnload 1.0.0');

  const upgraded = await install(core, counter('1.1.0'));
  expect(upgraded).toMatchObject({ id, version: '1.1.0', state: 'active' });
  expect((await get('counter/count')).body).toEqual({ version: '1.1.0', count: 3 });
  await core.logged('counter', 'hook onUpgrade 1.0.0 to 1.1.0');

  // By number as by name.
  expect(await post(`${id}/disable`)).toMatchObject({ body: { state: 'installed', enabled: false } });
  expect(await get('counter/count')).toMatchObject({ status: 404, body: { code: 'plugin_disabled' } });
  await core.logged('counter', 'hook onDisable 1.1.0');
  await core.logged('counter', 'hook onUnload 1.1.0');

  expect(await post('counter/enable')).toMatchObject({ body: { state: 'active', enabled: true } });
  expect((await get('counter/count')).body).toEqual({ version: '1.1.0', count: 4 });
  await core.logged('counter', 'hook onEnable 1.1.0');

  expect((await core.api('DELETE', '/api/plugins/counter')).status).toBe(204);
  expect(await get('counter/count')).toMatchObject({ status: 404 });
  expect(await core.api('GET', '/api/plugins/counter')).toMatchObject({
    status: 404,
    body: { code: 'plugin_not_found' },
  });
});

describe('what an uninstall does with the data', () => {
  test('keep: a later install of the name finds it', async () => {
    await install(core, counter('1.0.0'));
    await get('counter/count');
    expect((await core.api('DELETE', '/api/plugins/counter?data=keep')).status).toBe(204);
    await install(core, counter('1.0.0'));
    expect((await get('counter/count')).body.count).toBe(2);
    await core.api('DELETE', '/api/plugins/counter');
  });

  test('drop, the default: it is gone', async () => {
    await install(core, counter('1.0.0'));
    await get('counter/count');
    await core.api('DELETE', '/api/plugins/counter');
    await install(core, counter('1.0.0'));
    expect((await get('counter/count')).body.count).toBe(1);
    await core.api('DELETE', '/api/plugins/counter?data=drop');
    expect((await core.api('DELETE', '/api/plugins/counter?data=half')).status).toBe(422);
  });
});

describe('forms of entry (SPEC 1.2)', () => {
  test('CommonJS with the global, methods reached through this', async () => {
    await install(core, {
      manifest: { name: 'old-style', entrypoints: { main: 'main.cjs' } },
      'main.cjs': `
        const { greet } = require('./greet.js');
        module.exports = {
          async onLoad() {
            streamspace.api.registerEndpoint({
              method: 'GET', path: '/hello', auth: 'public', handler: (req, res) => res.json(this.answer(req)),
            });
          },
          answer(request) { return { text: greet(new URL(request.url).searchParams.get('name')) }; },
        };`,
      'greet.js': `exports.greet = (name) => 'Hello, ' + name;`,
    });
    expect((await get('old-style/hello?name=Ada')).body).toEqual({ text: 'Hello, Ada' });
  });

  test.each(['index.tsx', 'index.js', 'index.mjs'])('ESM in %s', async (main) => {
    const name = `as-${main.split('.')[1]}`;
    await install(core, {
      manifest: { name },
      [main]: `import { definePlugin } from '@streamspace/sdk';
        export default definePlugin({ onLoad: ({ api }) => api.get('/', () => 'here', { auth: 'public' }) });`,
    });
    expect(await get(`${name}/`)).toMatchObject({ status: 200, body: 'here' });
  });
});

describe('how a package comes in', () => {
  test('as a form, with its fields', async () => {
    const form = new FormData();
    form.set(
      'package',
      new Blob([Buffer.from(await pluginPackage({ manifest: { name: 'by-form' }, 'index.ts': 'export default {};' }))]),
    );
    form.set('enable', 'false');
    const answer = await fetch(`${core.url}/api/plugins/install`, {
      method: 'POST',
      headers: { authorization: `Bearer ${core.token}` },
      body: form,
    });
    expect(answer.status).toBe(201);
    expect(await answer.json()).toMatchObject({ name: 'by-form', state: 'installed', enabled: false });
    expect((await post('by-form/enable')).body.state).toBe('active');
  });

  test('only from an admin', async () => {
    const archive = await pluginPackage({ manifest: { name: 'by-user' }, 'index.ts': 'export default {};' });
    const user = await core.signUp('user@example.com');
    for (const [token, status] of [
      [null, 401],
      [user, 403],
    ] as const) {
      const headers = { 'content-type': 'application/gzip' };
      expect((await core.api('POST', '/api/plugins/install', { body: archive, headers, token })).status).toBe(status);
      for (const [method, path] of [
        ['GET', '/api/plugins'],
        ['GET', '/api/plugins/hello'],
        ['PATCH', '/api/plugins/hello'],
        ['DELETE', '/api/plugins/hello'],
        ['POST', '/api/plugins/hello/enable'],
        ['POST', '/api/plugins/hello/reload'],
        ['GET', '/api/plugins/hello/logs'],
        ['GET', '/api/plugins/hello/metrics'],
      ] as const) {
        expect({ path, status: (await core.api(method, path, { token })).status }).toEqual({ path, status });
      }
    }
    expect((await core.api('GET', '/api/plugins/by-user')).status).toBe(404);
  });

  test('not as something else', async () => {
    const headers = { 'content-type': 'text/plain' };
    expect(await core.api('POST', '/api/plugins/install', { body: 'x', headers })).toMatchObject({
      status: 415,
      body: { code: 'unsupported_media_type' },
    });
    expect(await tryInstall(core, new Uint8Array(10))).toMatchObject({
      status: 422,
      body: { code: 'package_invalid' },
    });
    expect(
      await core.api('POST', '/api/plugins/install', { headers: { 'content-type': 'application/gzip' } }),
    ).toMatchObject({ status: 400 });
    expect(
      await tryInstall(core, { manifest: { name: 'typo', versoin: '1' }, 'index.ts': 'export default {};' }),
    ).toMatchObject({ status: 422, body: { code: 'manifest_invalid', errors: [{ pointer: '/versoin' }] } });
  });

  test('an older version only when it is asked for', async () => {
    await install(core, counter('2.0.0'));
    expect(await tryInstall(core, counter('1.0.0'))).toMatchObject({ status: 409, body: { code: 'conflict' } });
    expect(await tryInstall(core, counter('1.0.0'), { downgrade: true })).toMatchObject({
      status: 201,
      body: { version: '1.0.0', state: 'active' },
    });
    expect((await get('counter/count')).body.version).toBe('1.0.0');
  });

  test('a name that comes with the core is not taken over', async () => {
    const source = { manifest: { name: 'hello', version: '9.0.0' }, 'index.ts': 'export default {};' };
    expect(await tryInstall(core, source)).toMatchObject({ status: 409, body: { code: 'conflict' } });
  });
});

describe('consent (SPEC 12.4)', () => {
  const asking = (version: string, permissions: string[]) => ({
    manifest: { name: 'asking', version, permissions, optionalPermissions: ['users:read'] },
    'index.ts': 'export default {};',
  });

  test('what is asked for and not granted is listed with what it means; with the grants it goes through', async () => {
    const refused = await tryInstall(core, asking('1.0.0', ['network:api.example.com', 'read:sessions']));
    expect(refused).toMatchObject({ status: 409, body: { code: 'consent_required' } });
    expect(refused.body.permissions).toEqual([
      { permission: 'network:api.example.com', description: expect.stringContaining('api.example.com') },
      { permission: 'sessions:read', description: expect.any(String) },
    ]);
    expect(refused.body.optionalPermissions).toEqual([{ permission: 'users:read', description: expect.any(String) }]);
    expect((await core.api('GET', '/api/plugins/asking')).status).toBe(404);

    const grants = ['network:api.example.com', 'sessions:read'];
    expect(await tryInstall(core, asking('1.0.0', grants), { grants })).toMatchObject({
      status: 201,
      body: { grants },
    });
  });

  test('a version that asks for more waits for more consent, and the old one serves on', async () => {
    const more = asking('1.1.0', ['network:api.example.com', 'sessions:read', 'users:write']);
    const refused = await tryInstall(core, more);
    expect(refused).toMatchObject({ status: 409, body: { code: 'consent_required' } });
    expect(refused.body.permissions.map(({ permission }: { permission: string }) => permission)).toEqual([
      'users:write',
    ]);
    expect((await core.api('GET', '/api/plugins/asking')).body).toMatchObject({ version: '1.0.0', state: 'active' });
    expect(await tryInstall(core, more, { grants: 'all' })).toMatchObject({
      status: 201,
      body: {
        version: '1.1.0',
        grants: ['network:api.example.com', 'sessions:read', 'users:read', 'users:write'],
      },
    });
  });

  test('grants can be taken back, but not what the manifest insists on', async () => {
    const change = (grants: string[]) => core.api('PATCH', '/api/plugins/asking', { body: { grants } });
    const asked = ['network:api.example.com', 'sessions:read', 'users:write'];
    expect(await change(asked)).toMatchObject({ status: 200, body: { grants: asked, state: 'active' } });
    expect(await change(['sessions:read'])).toMatchObject({ status: 409, body: { code: 'consent_required' } });
    expect(await change(['no permission'])).toMatchObject({ status: 422, body: { errors: [{ pointer: '/grants' }] } });
    expect((await core.api('GET', '/api/plugins/asking')).body.grants).toEqual(asked);
  });
});
