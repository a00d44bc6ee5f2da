import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { install } from '../kit/plugin.ts';
import { rawRequest } from '../kit/raw-http.ts';
import { type RunningCore, startCore } from '../kit/start-core.ts';

// Flow 2 of DESIGN 2: gateway -> registrations -> permission, validation, rate limit -> isolate -> gateway.

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

const call = (method: string, path: string, options: Parameters<RunningCore['api']>[2] = {}) =>
  core.api(method, PREFIX + path, { token: null, ...options });
const get = async (path: string) => (await call('GET', path)).body;

describe('what a handler is given', () => {
  test('path parameters, decoded; a wildcard takes the rest', async () => {
    expect(await get('/users/a%20b/files/x.txt')).toEqual({ id: 'a b', file: 'x.txt' });
    expect(await get('/tail/a/b/c')).toEqual({ '*': 'a/b/c' });
    expect(await get('/number/7')).toEqual({ n: 7 });
  });

  test.each(['/users/a%2Fb/files/x', '/users/a%5Cb/files/x', '/users/a%00/files/x', '/tail/a//b', '/tail/a%2f..%2fb'])(
    'what can be read in two ways is refused: %s',
    async (path) => {
      expect(await call('GET', path)).toMatchObject({ status: 400, body: { code: 'bad_request' } });
    },
  );

  test('dots in a path never lead out of the prefix', async () => {
    // fetch resolves them before it sends; what matters is what the raw request line does.
    const raw = await rawRequest(
      core.url,
      `GET ${PREFIX}/../../users HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`,
    );
    expect(raw).toMatch(/^HTTP\/1.1 (400|401|404) /);
  });

  test('the query as text, or converted as its schema says', async () => {
    expect(await get('/raw-query?a=1&a=2&b')).toEqual({ a: '2', b: '' });
    expect(await get('/query?deep=true&tag=a&tag=b')).toEqual({ page: 1, deep: true, tag: ['a', 'b'] });
    expect(await get('/query?tag=one')).toEqual({ page: 1, tag: ['one'] });
  });

  test('the body, parsed and with its defaults', async () => {
    const { body } = await call('POST', '/body', { body: { name: 'x' } });
    expect(body.got).toEqual({ name: 'x', count: 7 });
    expect((await call('PUT', '/unchecked', { body: '{"a":1}' })).body).toEqual({ text: '{"a":1}', parsed: true });
  });

  test('what does not fit its schema is answered before the handler runs, with every pointer', async () => {
    const before = (await call('POST', '/body', { body: { name: 'x' } })).body.hits;
    const refused = await call('POST', '/body', { body: { name: '', count: 'x', more: 1 } });
    expect(refused).toMatchObject({ status: 422, body: { code: 'validation_failed' } });
    const pointers = refused.body.errors.map((issue: { pointer: string }) => issue.pointer);
    expect(pointers.sort()).toEqual(['/body/count', '/body/more', '/body/name']);
    expect(await call('POST', '/body', { body: '{' })).toMatchObject({ status: 400, body: { code: 'bad_request' } });
    expect(await call('POST', '/body')).toMatchObject({ status: 400 });
    expect(await call('GET', '/query?page=0')).toMatchObject({
      status: 422,
      body: { errors: [{ pointer: '/query/page' }] },
    });
    expect(await call('GET', '/number/x')).toMatchObject({ status: 422, body: { errors: [{ pointer: '/params/n' }] } });
    expect((await call('POST', '/body', { body: { name: 'x' } })).body.hits).toBe(before + 1);
  });
});

describe('who may call', () => {
  test('an endpoint needs a signed-in user unless it says otherwise', async () => {
    const user = await core.signUp('caller@example.com');
    expect(await call('GET', '/me')).toMatchObject({ status: 401, body: { code: 'unauthenticated' } });
    expect((await call('GET', '/me')).headers.get('www-authenticate')).toContain('Bearer');
    expect(await call('GET', '/me', { token: 'wrong' })).toMatchObject({ status: 401 });
    expect((await call('GET', '/me', { token: user })).body).toEqual({
      id: expect.any(String),
      email: 'caller@example.com',
      name: 'caller@example.com',
      role: 'user',
    });
    expect((await call('GET', '/maybe')).body).toEqual({ user: null });
    expect((await call('GET', '/maybe', { token: user })).body).toEqual({ user: 'caller@example.com' });
  });

  test('an endpoint for admins refuses users', async () => {
    const user = await core.signUp('user@example.com');
    expect(await call('GET', '/admins', { token: user })).toMatchObject({ status: 403, body: { code: 'forbidden' } });
    expect((await call('GET', '/admins', { token: core.token })).body).toEqual({ role: 'admin' });
  });

  test('all permissions that it names are needed, and the one that lacks is named', async () => {
    const half = await core.signUp('half@example.com', 'user', ['reports:read']);
    const whole = await core.signUp('whole@example.com', 'user', ['reports:read', 'reports:list']);
    expect(await call('GET', '/reports', { token: half })).toMatchObject({
      status: 403,
      body: { code: 'forbidden', permission: 'reports:list' },
    });
    expect(await call('GET', '/reports', { token: whole })).toMatchObject({ status: 200, body: 'the report' });
  });
});

test('over its rate an endpoint answers 429, with the RateLimit headers', async () => {
  const first = await call('GET', '/limited');
  expect(first.status).toBe(200);
  expect(first.headers.get('ratelimit-policy')).toBe('"default";q=2;w=60');
  expect(first.headers.get('ratelimit')).toMatch(/^"default";r=1;t=\d+$/);
  await call('GET', '/limited');
  const third = await call('GET', '/limited');
  expect(third).toMatchObject({ status: 429, body: { code: 'rate_limited' } });
  expect(Number(third.headers.get('retry-after'))).toBeWithin(1, 61);
  expect(third.headers.get('ratelimit')).toMatch(/^"default";r=0;t=\d+$/);
  // A caller who is known has a count of their own, and other endpoints none.
  expect((await call('GET', '/limited', { token: core.token })).status).toBe(200);
  expect((await call('GET', '/hello')).headers.has('ratelimit')).toBe(false);
});

describe('what a handler answers', () => {
  test('values become JSON, nothing becomes 204', async () => {
    const { status, headers, body } = await call('GET', '/hello');
    expect({ status, body }).toEqual({ status: 200, body: { message: 'hello' } });
    expect(headers.get('content-type')).toBe('application/json');
    expect(await call('DELETE', '/nothing')).toMatchObject({ status: 204, body: '' });
    for (const code of [204, 205, 304, 418]) expect((await call('GET', `/status/${code}`)).status).toBe(code);
  });

  test('the helpers of older frameworks work', async () => {
    const made = await call('POST', '/classic');
    expect(made).toMatchObject({ status: 201, body: { made: true } });
    expect(made.headers.get('x-classic')).toBe('yes');
    expect(await call('GET', '/classic-text')).toMatchObject({ status: 202, body: 'plain' });
  });

  test('redirects are for the client', async () => {
    const { status, headers } = await call('GET', '/moved');
    expect([status, headers.get('location')]).toEqual([302, 'https://example.com/there']);
  });

  test('HEAD answers as GET does, without the body', async () => {
    const { status, headers, body } = await call('HEAD', '/hello');
    expect({ status, body }).toEqual({ status: 200, body: '' });
    expect(headers.get('content-type')).toBe('application/json');
    expect(headers.get('content-length')).toBe('19');
    expect(await call('HEAD', '/pattern/1000000')).toMatchObject({ status: 200, body: '' });
  });

  test('what it throws is 500 with an id, and only its own log tells more', async () => {
    for (const [path, message] of [
      ['/throws', 'RangeError: failed on purpose'],
      ['/rejects', 'TypeError: later, on purpose'],
      ['/throws-text', 'only text'],
      ['/circle', 'TypeError'],
    ] as const) {
      const { status, body } = await call('GET', path);
      expect({ status, code: body.code }).toEqual({ status: 500, code: 'plugin_error' });
      expect(JSON.stringify(body)).not.toMatch(/purpose|\.ts|only text/);
      const line = JSON.parse(await core.logged('web-server', body.errorId));
      expect(line).toMatchObject({ level: 'error', message: expect.stringContaining(message) });
    }
    const { body } = await call('GET', '/throws');
    const { fields } = JSON.parse(await core.logged('web-server', body.errorId));
    expect(fields.stack).toMatch(/^RangeError: failed on purpose\n {4}at fail \(fail\.ts:3:9\)\n/);
    expect(fields.stack).toMatch(/\n {4}> 3 \| {3}throw new RangeError[\s\S]*\n {4}at routes\.ts:\d+:\d+/);
    expect(fields.stack).not.toMatch(/streamspace:|node_modules|\/work/);
  });
});

describe('addresses', () => {
  test('the alias answers as the name does, and mounts under it', async () => {
    expect((await core.api('GET', '/api/plugins/web/hello', { token: null })).body).toEqual({ message: 'hello' });
    expect((await core.api('GET', '/api/plugins/web/mounted/x', { token: null })).body).toMatchObject({ at: '/x' });
  });

  test('an absolute path inside the prefix is the same as a relative one', async () => {
    expect((await call('PATCH', '/absolute')).body).toEqual({ plugin: 'web-server' });
  });

  test('a mounted fetch handler sees paths from its mount point on', async () => {
    expect((await call('POST', '/mounted/a/b?c=1', { body: 'hi' })).body).toEqual({
      method: 'POST',
      at: '/a/b?c=1',
      body: 'hi',
    });
    expect((await call('GET', '/mounted')).body).toMatchObject({ at: '/' });
  });

  test('a middleware runs around what is registered after it, and may answer itself', async () => {
    expect((await call('GET', '/around')).headers.get('x-around')).toBe('yes');
    expect((await call('GET', '/hello')).headers.has('x-around')).toBe(false);
    expect(await call('GET', '/around', { headers: { 'x-stop': 'yes' } })).toMatchObject({
      status: 418,
      body: { stopped: true },
    });
  });

  test('ALL answers every method', async () => {
    for (const method of ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']) {
      expect((await call(method, '/any')).body).toEqual({ method });
    }
  });

  test('404 and 405', async () => {
    expect(await call('GET', '/none')).toMatchObject({ status: 404, body: { code: 'not_found' } });
    const wrong = await call('PUT', '/hello');
    expect(wrong).toMatchObject({ status: 405, body: { code: 'method_not_allowed' } });
    expect(wrong.headers.get('allow')?.split(', ')).toContain('GET');
    expect(await core.api('GET', '/api/plugins/nobody/hello')).toMatchObject({ status: 404 });
  });

  test("the core's own addresses below a plugin stay the core's", async () => {
    expect(await call('GET', '/metrics')).toMatchObject({ status: 401 });
    expect(await call('GET', '/deliveries')).toMatchObject({ status: 401 });
  });
});
