import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { startApp, type TestApp } from '../kit/app.ts';

let app: TestApp;
let userId: string;
let session: Awaited<ReturnType<TestApp['signIn']>>;
beforeAll(async () => {
  app = await startApp({ env: { PUBLIC_URL: 'http://streams.example.com/base' } });
  userId = (await app.makeUser({ email: 'ada@example.com' })).id;
  session = await app.signIn('ada@example.com');
});
afterAll(() => app.stop());

const rename = (headers: Record<string, string>) =>
  app.call('PATCH', `/api/users/${userId}`, { body: { name: 'Ada' }, headers });
const cookie = () => ({ cookie: session.cookie });
const token = () => ({ 'x-csrf-token': session.csrfToken });

describe('a request that the cookie authenticates', () => {
  test('may read', async () => {
    const { status, body } = await app.call('GET', '/api/auth/me', { headers: cookie() });
    expect(status).toBe(200);
    expect(body).toMatchObject({ via: 'cookie', csrfToken: session.csrfToken });
  });

  test('may change with the token, from our own origin', async () => {
    expect((await rename({ ...cookie(), ...token() })).status).toBe(200);
    for (const origin of [app.url, 'http://streams.example.com']) {
      const headers = { ...cookie(), ...token(), origin, 'sec-fetch-site': 'same-origin' };
      expect((await rename(headers)).status).toBe(200);
    }
  });

  test.each([
    ['no token', () => ({})],
    ['an empty token', () => ({ 'x-csrf-token': '' })],
    ['the token of another session', async () => ({ 'x-csrf-token': (await app.signIn('ada@example.com')).csrfToken })],
    ['another origin', () => ({ ...token(), origin: 'https://evil.example' })],
    ['an opaque origin, such as a plugin frame has', () => ({ ...token(), origin: 'null' })],
    ['a cross-site fetch', () => ({ ...token(), 'sec-fetch-site': 'cross-site' })],
    ['a sibling site', () => ({ ...token(), 'sec-fetch-site': 'same-site' })],
  ])('is refused with %s', async (_, headers) => {
    const { status, body } = await rename({ ...cookie(), ...(await headers()) });
    expect([status, body.code]).toEqual([403, 'csrf_failed']);
  });
});

test('a bearer needs no token and may come from anywhere', async () => {
  const headers = { authorization: `Bearer ${session.token}`, origin: 'https://elsewhere.example' };
  expect((await rename(headers)).status).toBe(200);
});

test('a wrong bearer is nobody, even beside a good cookie', async () => {
  const { status, body } = await rename({ ...cookie(), authorization: 'Bearer nonsense' });
  expect([status, body.code]).toEqual([401, 'unauthenticated']);
});

test('another scheme of authorization leaves the cookie and its checks in force', async () => {
  const basic = { authorization: 'Basic YTpi' };
  expect((await rename({ ...cookie(), ...basic })).status).toBe(403);
  expect((await rename({ ...cookie(), ...basic, ...token() })).status).toBe(200);
});

test('strangers get 401 before anything is said about the body', async () => {
  const { status, headers } = await app.call('PATCH', `/api/users/${userId}`, { body: { nonsense: true } });
  expect(status).toBe(401);
  expect(headers.get('www-authenticate')).toBe('Bearer realm="streamspace"');
});
