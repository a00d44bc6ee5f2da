import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { createLoginLimits } from '../../src/auth/login-limits.ts';
import { hashSecret } from '../../src/auth/secrets.ts';
import { PASSWORD, startApp, type TestApp } from '../kit/app.ts';

let app: TestApp;
beforeAll(async () => {
  app = await startApp();
  await app.makeUser({ email: 'ada@example.com' });
});
afterAll(() => app.stop());

const login = (email: string, password: string, headers: Record<string, string> = {}) =>
  app.call('POST', '/api/auth/login', { body: { email, password }, headers });

describe('signing in', () => {
  test('answers the token, the user and a cookie that scripts cannot read', async () => {
    const { status, body, headers } = await login('Ada@Example.com', PASSWORD);
    expect(status).toBe(200);
    expect(body.user).toMatchObject({ email: 'ada@example.com', role: 'user', active: true });
    expect(body.user.lastLoginAt).not.toBeNull();
    expect(JSON.stringify(body)).not.toContain('argon2');
    expect(body.token).toMatch(/^[A-Za-z0-9_-]{43}$/);
    expect(headers.get('set-cookie')).toBe(
      `streamspace=${body.token}; Max-Age=2592000; Path=/; HttpOnly; SameSite=Lax`,
    );
    expect(headers.get('cache-control')).toBe('no-store');
    const me = await app.call('GET', '/api/auth/me', { token: body.token });
    expect(me.body).toMatchObject({ user: { email: 'ada@example.com' }, via: 'session', csrfToken: body.csrfToken });
  });

  test('stores a hash, not the token; publishes user.login; writes it down', async () => {
    const { body } = await login('ada@example.com', PASSWORD);
    const sessions = await app.db.selectFrom('auth_sessions').selectAll().execute();
    expect(sessions.some(({ token_hash }) => hashSecret(body.token).equals(token_hash))).toBeTrue();
    expect(JSON.stringify(sessions)).not.toContain(body.token);
    const event = await app.db
      .selectFrom('events')
      .selectAll()
      .where('name', '=', 'user.login')
      .orderBy('id', 'desc')
      .executeTakeFirstOrThrow();
    expect(event.data).toEqual(body.user);
    const act = await app.db.selectFrom('audit_log').selectAll().where('action', '=', 'user.login').execute();
    expect(act.at(-1)).toMatchObject({ actor: body.user.id, detail: { ip: '127.0.0.1' } });
  });

  test.each([
    ['a wrong password', 'ada@example.com', 'not it at all'],
    ['an unknown user', 'nobody@example.com', PASSWORD],
  ])('refuses %s alike, and writes it down', async (_, email, password) => {
    const { status, body, headers } = await login(email, password);
    expect(status).toBe(401);
    expect(body).toMatchObject({ code: 'invalid_credentials', detail: 'Wrong email or password' });
    expect(headers.get('set-cookie')).toBeNull();
    const acts = await app.db.selectFrom('audit_log').selectAll().where('action', '=', 'login.failed').execute();
    expect(acts.some(({ target }) => target === email)).toBeTrue();
  });

  test('refuses an inactive user', async () => {
    const { id } = await app.makeUser({ email: 'gone@example.com' });
    await app.db.updateTable('users').set({ active: false }).where('id', '=', id).execute();
    expect((await login('gone@example.com', PASSWORD)).status).toBe(401);
  });

  test('refuses another site, which could sign the visitor in as somebody else', async () => {
    const { status, body } = await login('ada@example.com', PASSWORD, { origin: 'https://evil.example' });
    expect([status, body.code]).toEqual([403, 'csrf_failed']);
  });

  test('names what is wrong with the body without repeating it', async () => {
    const { status, body } = await app.call('POST', '/api/auth/login', {
      body: { email: 'ada', password: 5, more: 1 },
    });
    expect(status).toBe(422);
    expect(body.errors.map(({ pointer }: { pointer: string }) => pointer).sort()).toEqual([
      '/email',
      '/more',
      '/password',
    ]);
  });
});

describe('the limits', () => {
  test('stop a guesser at one account, also with the right password, but nobody else', async () => {
    await app.makeUser({ email: 'eve@example.com' });
    const guesses = await Promise.all(Array.from({ length: 8 }, () => login('eve@example.com', 'wrong password')));
    expect(guesses.map(({ status }) => status).sort()).toEqual([401, 401, 401, 401, 401, 429, 429, 429]);
    const refused = await login('eve@example.com', PASSWORD);
    expect(refused.status).toBe(429);
    expect(refused.body).toMatchObject({ code: 'rate_limited', retryAfter: expect.any(Number) });
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(800);
    expect((await login('ada@example.com', PASSWORD)).status).toBe(200);
  });

  test('a success takes the failures back', async () => {
    const limits = createLoginLimits();
    for (let round = 0; round < 3; round++) {
      for (let failure = 0; failure < 4; failure++) await limits.attempt('192.0.2.1', 'a@b');
      await limits.attempt('192.0.2.1', 'a@b');
      await limits.succeeded('192.0.2.1', 'a@b');
    }
    await expect(limits.attempt('192.0.2.1', 'a@b')).resolves.toBeUndefined();
  });

  test('stop one network that walks a list of accounts; an IPv6 /64 is one network', async () => {
    const limits = createLoginLimits();
    for (let n = 0; n < 50; n++) await limits.attempt(`2001:db8::${n.toString(16)}`, `user${n}@b`);
    await expect(limits.attempt('2001:db8::ffff:1', 'other@b')).rejects.toMatchObject({ code: 'rate_limited' });
    await expect(limits.attempt('2001:db8:0:1::1', 'other@b')).resolves.toBeUndefined();
  });
});

test('over TLS the cookie is Secure and bound to the host', async () => {
  const secure = await startApp({ env: { PUBLIC_URL: 'https://streams.example.com' } });
  try {
    await secure.makeUser({ email: 'ada@example.com' });
    const credentials = { email: 'ada@example.com', password: PASSWORD };
    const { headers, body } = await secure.call('POST', '/api/auth/login', { body: credentials });
    expect(headers.get('set-cookie')).toBe(
      `__Host-streamspace=${body.token}; Max-Age=2592000; Path=/; HttpOnly; SameSite=Lax; Secure`,
    );
    expect(headers.get('strict-transport-security')).toContain('max-age=');
  } finally {
    await secure.stop();
  }
});
