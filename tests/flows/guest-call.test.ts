import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { fixturePackage, install } from '../kit/plugin.ts';
import { remoteControl } from '../kit/remote-control.ts';
import { type RunningCore, startCore } from '../kit/start-core.ts';
import { until } from '../kit/until.ts';

// Flow 4 of DESIGN 2: guest -> socket -> answer -> gate -> handler -> back, for each room.

setDefaultTimeout(60_000);

let core: RunningCore;
let remote: ReturnType<typeof remoteControl>;
const value = async (path: string, ...args: unknown[]) => (await remote(path, ...args)).value;

beforeAll(async () => {
  core = await startCore();
  await install(core, 'remote-control', { config: { apiKey: 'the key of the tests' } });
  remote = remoteControl(core);
});
afterAll(async () => {
  await core?.stop();
});

describe('storage', () => {
  test('set, get, list, increment and delete', async () => {
    expect(await value('storage.get', 'a')).toBeNull();
    const { version } = await value('storage.set', 'a', { deep: [1, 'é', null] });
    expect(await value('storage.get', 'a')).toEqual({ deep: [1, 'é', null] });
    expect(await value('storage.getEntry', 'a')).toEqual({ key: 'a', value: { deep: [1, 'é', null] }, version });
    expect(await value('storage.increment', 'n', 5)).toBe(5);
    expect((await value('storage.list', { prefix: 'a' })).entries).toHaveLength(1);
    expect(await value('storage.delete', 'a')).toBe(true);
    expect(await value('storage.get', 'a')).toBeNull();
  });

  test('a version that has changed is a conflict with its code, as an error of the place that called', async () => {
    await value('storage.set', 'v', 1);
    const { error } = await remote('storage.set', 'v', 2, { ifVersion: 12345 });
    expect(error).toMatchObject({ kind: 'streamspace', code: 'version_conflict' });
    expect(error?.stack).toMatch(/plugin:remote-control:\d+:\d+/);
    expect(error?.stack).not.toMatch(/\/work\/|node_modules|\/src\//);
  });

  test('bad arguments are refused by name', async () => {
    expect((await remote('storage.get', '')).error).toMatchObject({ code: 'invalid_input' });
    expect((await remote('storage.get', 'x'.repeat(600))).error?.message).toContain('key');
    expect((await remote('storage.set', 'k', 1, { ttl: -1 })).error?.message).toContain('ttl');
  });

  test('what a plugin stored is its own', async () => {
    await install(core, await fixturePackage('remote-control', { name: 'other-control' }));
    await value('storage.set', 'mine', 'secret');
    expect((await remoteControl(core, 'other-control')('storage.get', 'mine')).value).toBeNull();
  });
});

test('secrets: read by name, listed without values', async () => {
  expect(await value('secrets.get', 'apiKey')).toBe('the key of the tests');
  expect(await value('secrets.get', 'nothing')).toBeNull();
  expect(await value('secrets.list')).toEqual(['apiKey']);
});

test('config: defaults, changed while it runs, without its secrets', async () => {
  const config = async () => (await core.api('GET', '/api/plugins/remote-control/config', { token: null })).body;
  expect(await config()).toEqual({ colour: 'blue' });
  await core.api('PATCH', '/api/plugins/remote-control', { body: { config: { colour: 'red', apiKey: '********' } } });
  expect(await config()).toEqual({ colour: 'red' });
});

describe('scheduler', () => {
  test('an interval ticks, is listed, and goes on over a reload', async () => {
    const ticks = async () => (await value('storage.get', 'ticks')) as number | null;
    const first = await until(ticks, 'the first tick');
    const { jobs } = (await core.api('GET', '/api/plugins/remote-control')).body;
    expect(jobs).toMatchObject([{ name: 'beat', everyMs: 1_000, lastError: null }]);
    await core.api('POST', '/api/plugins/remote-control/reload');
    await until(async () => ((await ticks()) ?? 0) > first, 'a tick after the reload');
  });

  test('a bad pattern is an error with its reason', async () => {
    // Handlers do not cross JSON: the first thing that is wrong here is that.
    expect((await remote('scheduler.schedule', 'every day')).error?.message).toContain('not a function');
  });
});

describe('fetch', () => {
  let server: ReturnType<typeof Bun.serve>;
  let requests = 0;

  beforeAll(() => {
    server = Bun.serve({
      port: 0,
      hostname: '127.0.0.1',
      async fetch(request) {
        requests += 1;
        const { pathname } = new URL(request.url);
        if (pathname === '/mirror') return new Response(request.body);
        if (pathname === '/away') return Response.redirect('http://127.0.0.2:9999/', 302);
        return Response.json({ method: request.method, own: request.headers.get('x-own'), body: await request.text() });
      },
    });
  });
  afterAll(async () => {
    await server.stop(true);
  });

  const fetchOf = async (url: string, init?: object) =>
    (await core.api('POST', '/api/plugins/remote-control/fetch', { token: null, body: { url, init } })).body;
  const grant = (...grants: string[]) => core.api('PATCH', '/api/plugins/remote-control', { body: { grants } });

  test('without the permission it is refused by name, in the audit, and nothing was sent', async () => {
    const { error } = await fetchOf(`http://127.0.0.1:${server.port}/`);
    expect(error).toMatchObject({ kind: 'permission', permission: `network:127.0.0.1:${server.port}` });
    expect(error.message).toContain(error.permission);
    expect(requests).toBe(0);
    const refused = (line: { msg?: string; call?: unknown }) => line.msg === 'a guest call was refused';
    expect(await core.line(refused, 'the refusal is in the log')).toMatchObject({
      plugin: 'remote-control',
      permission: error.permission,
    });
  });

  test('a grant for any public host is none for a private address', async () => {
    await grant('network');
    const { error } = await fetchOf(`http://127.0.0.1:${server.port}/`);
    expect(error.code).toMatch(/permission_denied|network_blocked/);
    expect(requests).toBe(0);
  });

  test('with the permission it goes out and comes back; a redirect elsewhere does not', async () => {
    await grant(`network:127.0.0.1:${server.port}`);
    const answer = await fetchOf(`http://127.0.0.1:${server.port}/x`, {
      method: 'PUT',
      headers: { 'x-own': 'yes' },
      body: 'hällo',
    });
    expect(answer).toMatchObject({ status: 200, headers: { 'content-type': expect.stringContaining('json') } });
    expect(JSON.parse(answer.text)).toEqual({ method: 'PUT', own: 'yes', body: 'hällo' });
    const { error } = await fetchOf(`http://127.0.0.1:${server.port}/away`);
    expect(error.code).toMatch(/permission_denied|network_blocked/);
  });

  test('bodies stream through the plugin, both ways', async () => {
    await grant(`network:127.0.0.1:${server.port}`);
    const body = Uint8Array.from({ length: 2_500_000 }, (_, i) => (i * 17) % 255);
    const answer = await fetch(`${core.url}/api/plugins/remote-control/proxy`, {
      method: 'POST',
      headers: { 'x-target': `http://127.0.0.1:${server.port}/mirror` },
      body,
    });
    expect(answer.status).toBe(200);
    expect(Buffer.from(await answer.arrayBuffer()).equals(body)).toBe(true);
  });
});

describe('plugins', () => {
  const others = ['first-peer', 'second-peer'] as const;
  const all = ['remote-control', ...others];

  beforeAll(async () => {
    const permissions = all.map((name) => `plugins:call:${name}`);
    for (const name of others) await install(core, await fixturePackage('remote-control', { name, permissions }));
    await core.api('PATCH', '/api/plugins/remote-control', { body: { grants: permissions } });
  });

  test('get and isEnabled tell what is there', async () => {
    expect(await value('plugins.get', 'first-peer')).toEqual({
      name: 'first-peer',
      version: '1.0.0',
      enabled: true,
      methods: ['add', 'fail', 'bounce'],
    });
    expect(await value('plugins.get', 'nobody')).toBeNull();
    expect(await value('plugins.isEnabled', 'hello')).toBe(false);
  });

  test('call runs what the other exposes, and nothing else', async () => {
    expect(await value('plugins.call', 'first-peer', 'add', 2, 3)).toBe(5);
    expect((await remote('plugins.call', 'first-peer', 'onLoad')).error?.code).toBe('method_not_exposed');
    expect((await remote('plugins.call', 'first-peer', 'constructor')).error?.code).toBe('method_not_exposed');
  });

  test('what the other throws arrives as its message, without its insides', async () => {
    const { error } = await remote('plugins.call', 'first-peer', 'fail');
    expect(error).toMatchObject({
      code: 'plugin_error',
      message: expect.stringContaining('the exposed method failed'),
    });
    expect(error?.stack).not.toContain('first-peer');
  });

  test('without the permission it is refused by name', async () => {
    const { error } = await remoteControl(core, 'first-peer')('plugins.call', 'other-control', 'add', 1, 2);
    expect(error).toMatchObject({ kind: 'permission', permission: 'plugins:call:other-control' });
  });

  test('one that is not there, or not enabled, has a code of its own', async () => {
    const grants = [...all.map((name) => `plugins:call:${name}`), 'plugins:call:nobody', 'plugins:call:hello'];
    await core.api('PATCH', '/api/plugins/remote-control', { body: { grants } });
    expect((await remote('plugins.call', 'nobody', 'add')).error?.code).toBe('plugin_not_found');
    expect((await remote('plugins.call', 'hello', 'add')).error?.code).toBe('plugin_disabled');
  });

  test('plugins that call each other in a circle end at the depth limit', async () => {
    const chain = (length: number) => Array.from({ length }, (_, i) => all[(i + 1) % 3]);
    expect(await value('plugins.call', 'first-peer', 'bounce', ['second-peer'], 1)).toBe(2);
    const { error } = await remote('plugins.call', 'first-peer', 'bounce', chain(20), 0);
    expect(error?.message).toContain('4 plugins');
    // All of them serve on.
    for (const name of all) expect((await remoteControl(core, name)('plugin.name')).value).toBe(name);
  });
});

test('log: levels, fields, and console in the log of the plugin', async () => {
  for (const level of ['debug', 'info', 'warn', 'error', 'fatal']) {
    await remote(`log.${level}`, `a line at ${level}`, { n: 1, esc: '\u001b[31mred' });
  }
  for (const level of ['debug', 'info', 'warn', 'error', 'fatal']) {
    const line = JSON.parse(await core.logged('remote-control', `a line at ${level}`));
    expect(line).toMatchObject({ level, fields: { n: 1, esc: '\\x1b[31mred' } });
  }
});

test('events: once is once', async () => {
  await value('events.emit', 'once', { n: 1 });
  await until(async () => (await value('storage.get', 'once')) === 1, 'the first is delivered');
  await value('events.emit', 'once', { n: 2 });
  const settled = async () =>
    (await core.api('GET', '/api/plugins/remote-control/deliveries?state=pending')).body.items.length === 0;
  await until(settled, 'nothing is under way');
  expect(await value('storage.get', 'once')).toBe(1);
});

test('host calls are counted by capability', async () => {
  const { hostCalls } = (await core.api('GET', '/api/plugins/remote-control/metrics')).body;
  expect(hostCalls.storage).toBeGreaterThan(10);
  expect(Object.keys(hostCalls)).toEqual(expect.arrayContaining(['api', 'events', 'fetch', 'log', 'plugins']));
});
