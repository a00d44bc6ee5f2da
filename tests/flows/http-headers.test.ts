import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { install } from '../kit/plugin.ts';
import { type RunningCore, startCore } from '../kit/start-core.ts';

// What passes between a client and a plugin that shares the core's origin (ADVERSARY 71-73), and what the API document
// says of plugins.

setDefaultTimeout(60_000);

const PREFIX = '/api/plugins/web-server';
let core: RunningCore;

beforeAll(async () => {
  core = await startCore();
  await install(core, 'web-server');
});
afterAll(async () => {
  await core?.stop();
});

async function seen(headers: Record<string, string>, method = 'GET'): Promise<Record<string, string>> {
  return (await core.api(method, `${PREFIX}/headers`, { token: null, headers })).body;
}

describe("the core's credentials never reach a plugin", () => {
  test('bearer tokens, session cookies and CSRF tokens are taken out', async () => {
    const headers = await seen({
      authorization: `Bearer ${core.token}`,
      cookie: 'a=1; streamspace=secret; __Host-streamspace=secret; b=2',
      'x-csrf-token': 'secret',
      'proxy-authorization': 'Basic secret',
      'x-own': 'passes',
    });
    expect(JSON.stringify(headers)).not.toMatch(/secret|Bearer/);
    expect(headers).toMatchObject({ cookie: 'a=1; b=2', 'x-own': 'passes' });
    expect((await seen({ cookie: 'streamspace=secret' })).cookie).toBeUndefined();
  });

  test('a session cookie signs in, and still does not pass', async () => {
    const login = await fetch(`${core.url}/api/auth/login`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(core.admin),
    });
    const cookie = login.headers.get('set-cookie')?.split(';')[0] ?? '';
    const { csrfToken } = (await login.json()) as { csrfToken: string };
    const asAdmin = (path: string, method: string, headers: Record<string, string> = {}) =>
      core.api(method, PREFIX + path, { token: null, headers: { cookie, ...headers } });

    expect((await asAdmin('/me', 'GET')).body).toMatchObject({ email: core.admin.email });
    expect((await asAdmin('/headers', 'GET')).body.cookie).toBeUndefined();
    expect((await asAdmin('/maybe', 'GET')).body).toEqual({ user: core.admin.email });
    // A cross-site page can make a browser send the cookie, and nothing more.
    expect((await asAdmin('/maybe', 'POST')).body).toEqual({ user: null });
    expect((await asAdmin('/maybe', 'POST', { 'x-csrf-token': csrfToken })).body).toEqual({ user: core.admin.email });
    expect(await asAdmin('/private', 'POST')).toMatchObject({ status: 403, body: { code: 'csrf_failed' } });
    const crossSite = { 'x-csrf-token': csrfToken, origin: 'https://evil.example' };
    expect(await asAdmin('/private', 'POST', crossSite)).toMatchObject({ status: 403 });
    expect(await asAdmin('/private', 'POST', { 'x-csrf-token': csrfToken })).toMatchObject({ status: 200 });
  });
});

describe('what a plugin answers does not act on the origin', () => {
  test('cookies of the core, and headers that act on the whole origin, are taken out', async () => {
    const { headers } = await core.api('GET', `${PREFIX}/page`, { token: null });
    expect(headers.getSetCookie()).toEqual([`theme=dark; Max-Age=60; Path=${PREFIX}`]);
    for (const name of ['clear-site-data', 'service-worker-allowed', 'strict-transport-security', 'refresh']) {
      expect(headers.get(name)).toBeNull();
    }
    expect(headers.get('x-own')).toBe('kept');
  });

  test('a page of a plugin is sandboxed, whatever policy it brings, and is not sniffed', async () => {
    const { headers, body } = await core.api('GET', `${PREFIX}/page`, { token: null });
    expect(body).toBe('<h1>Hello</h1>');
    const [sandbox, own] = (headers.get('content-security-policy') ?? '').split(', ');
    expect(sandbox?.split(' ')[0]).toBe('sandbox');
    expect(sandbox).not.toMatch(/allow-same-origin|allow-top-navigation/);
    expect(own).toBe("default-src 'none'");
    expect(headers.get('x-content-type-options')).toBe('nosniff');
  });

  test('so are errors, empty answers and streams', async () => {
    for (const path of ['/throws', '/nothing', '/pattern/10', '/none']) {
      const { headers } = await core.api(path === '/nothing' ? 'DELETE' : 'GET', PREFIX + path, { token: null });
      expect(headers.get('x-content-type-options')).toBe('nosniff');
      if (headers.get('content-type') !== 'application/problem+json') {
        expect(headers.get('content-security-policy')).toStartWith('sandbox');
      }
    }
  });
});

describe('the OpenAPI document', () => {
  interface Document {
    paths: Record<string, Record<string, { summary?: string; security: object[]; parameters: { name: string }[] }>>;
  }
  const document = async (): Promise<Document> => (await core.api('GET', '/api/openapi.json')).body;

  test('lists the endpoints of the plugins that run, and loses them when one is disabled', async () => {
    const { paths } = await document();
    expect(paths[`${PREFIX}/hello`]?.get).toMatchObject({ summary: 'Says hello', security: [] });
    expect(paths[`${PREFIX}/me`]?.get?.security).not.toEqual([]);
    const file = paths[`${PREFIX}/users/{id}/files/{file}`]?.get;
    expect(file?.parameters.map(({ name }) => name)).toEqual(['id', 'file']);

    await core.api('POST', `${PREFIX}/disable`);
    const without = Object.keys((await document()).paths).filter((path) => path.startsWith(PREFIX));
    await core.api('POST', `${PREFIX}/enable`);
    expect(without).toEqual([]);
    expect((await document()).paths[`${PREFIX}/hello`]).toBeDefined();
  });
});
