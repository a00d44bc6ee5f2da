import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { Elysia, t } from 'elysia';
import { CodedError } from '../../sandbox-apis/_kit/errors.ts';
import { startApp, type TestApp } from '../kit/app.ts';

let app: TestApp;
beforeAll(async () => {
  const routes = new Elysia({ normalize: false })
    .get('/api/test/coded', () => {
      throw new CodedError('unavailable', 'In a moment', { retryAfter: 1.2, plugin: 'x' });
    })
    .get('/api/test/internal', () => {
      throw new CodedError('internal', 'SELECT secret FROM users');
    })
    .get('/api/test/boom', () => {
      throw new TypeError('/etc/shadow is at 0x1234');
    })
    // @ts-expect-error the answer is not what its schema says
    .get('/api/test/lies', () => ({ b: 1 }), { response: t.Object({ a: t.String() }, { additionalProperties: false }) })
    .post('/api/test/echo', ({ body }) => ({ size: JSON.stringify(body ?? null).length }));
  const rawRoutes = new Elysia().all('/raw/*', () => {
    throw new CodedError('plugin_quarantined');
  });
  app = await startApp({ deps: { routes: [routes], rawRoutes: [rawRoutes] } });
});
afterAll(() => app.stop());

const echo = (body: BodyInit, headers: Record<string, string> = { 'content-type': 'application/json' }) =>
  fetch(`${app.url}/api/test/echo`, { method: 'POST', body, headers });
const code = async (response: Response) => [response.status, ((await response.json()) as { code: string }).code];

describe('an error with a code', () => {
  test('is a problem document with its own members and headers', async () => {
    const { status, headers, body } = await app.call('GET', '/api/test/coded?a=b');
    expect(status).toBe(503);
    expect(headers.get('content-type')).toBe('application/problem+json');
    expect(headers.get('retry-after')).toBe('2');
    expect(headers.get('x-content-type-options')).toBe('nosniff');
    expect(body).toEqual({
      type: '/api/docs/errors#unavailable',
      title: 'Not available at the moment',
      status: 503,
      detail: 'In a moment',
      instance: '/api/test/coded',
      code: 'unavailable',
      retryAfter: 1.2,
      plugin: 'x',
    });
  });

  test('is one too where a route does the rest by itself', async () => {
    const { headers, body } = await app.call('PUT', '/raw/x');
    expect(body.code).toBe('plugin_quarantined');
    expect(headers.get('content-type')).toBe('application/problem+json');
  });
});

describe('a fault of ours', () => {
  test.each([['internal'], ['boom'], ['lies']])(
    '(%s) tells the client an id only, and the log everything',
    async (path) => {
      const { status, body } = await app.call('GET', `/api/test/${path}`);
      expect(status).toBe(500);
      const { errorId, ...rest } = body;
      expect(rest).toEqual({
        type: '/api/docs/errors#internal',
        title: 'Something failed inside the core',
        status: 500,
        detail: 'Something failed inside the core',
        instance: `/api/test/${path}`,
        code: 'internal',
      });
      const entry = app.logged.find((line) => line.errorId === errorId) as { err: { stack: string } } | undefined;
      expect(entry).toMatchObject({ level: 'error', method: 'GET', path: `/api/test/${path}` });
      expect(entry?.err.stack).toContain('\n    at ');
    },
  );
});

describe('a path', () => {
  test('that is unknown is 404', async () => {
    expect(await code(await fetch(`${app.url}/nowhere`))).toEqual([404, 'not_found']);
  });

  test.each([
    ['POST', '/healthz', 'GET'],
    ['PUT', '/api/users', 'GET, POST'],
    ['POST', '/api/users/3', 'GET, PATCH, DELETE'],
  ])('that does not answer %s is 405 (%s)', async (method, path, allow) => {
    const response = await fetch(app.url + path, { method });
    expect(response.headers.get('allow')).toBe(allow);
    expect(await code(response)).toEqual([405, 'method_not_allowed']);
  });
});

describe('a body', () => {
  test('of up to 1 MiB of JSON is taken, under any JSON type', async () => {
    const text = JSON.stringify('x'.repeat(1024 * 1024 - 2));
    const response = await echo(text, { 'content-type': 'application/merge-patch+json; charset=utf-8' });
    expect(await response.json()).toEqual({ size: 1024 * 1024 });
  });

  test('that is larger is refused, whether it says its length or not', async () => {
    const large = 'x'.repeat(1024 * 1024 + 1);
    expect(await code(await echo(large))).toEqual([413, 'payload_too_large']);
    const chunked = new Blob([large]).stream();
    const response = await echo(chunked);
    expect(response.headers.get('content-type')).toBe('application/problem+json');
    expect(await response.json()).toMatchObject({ code: 'payload_too_large', limit: 1024 * 1024 });
  });

  test.each([
    ['{"a":', 'unfinished'],
    ['[1,]', 'not JSON'],
    ['['.repeat(500_000), 'nested without end'],
    [new Uint8Array([34, 0xff, 34]), 'not UTF-8'],
  ])('%p is a bad request: %s', async (body) => {
    expect(await code(await echo(body))).toEqual([400, 'bad_request']);
  });

  test('of another type is refused, none at all is fine', async () => {
    expect(await code(await echo('a=b', { 'content-type': 'application/x-www-form-urlencoded' }))).toEqual([
      415,
      'unsupported_media_type',
    ]);
    expect((await fetch(`${app.url}/api/test/echo`, { method: 'POST' })).status).toBe(200);
  });

  test('cannot name a prototype', async () => {
    const body = '{"email":"a@b.c","password":"x","__proto__":{"admin":true}}';
    const { status, body: problem } = await app.call('POST', '/api/auth/login', { body });
    expect([status, problem.errors[0].pointer]).toEqual([422, '/__proto__']);
  });
});
