import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import type { Principal } from '../../src/auth/principal.ts';
import { PrincipalCache } from '../../src/auth/principal-cache.ts';
import { PASSWORD, startApp, type TestApp } from '../kit/app.ts';

const MINUTE = 60_000;
const DAY = 24 * 60 * MINUTE;

let app: TestApp;
beforeAll(async () => {
  app = await startApp();
});
afterAll(() => app.stop());

let count = 0;
async function signedIn(role: 'admin' | 'user' = 'user') {
  const email = `user${++count}@example.com`;
  const user = await app.makeUser({ email, role });
  return { user, email, ...(await app.signIn(email)) };
}
const me = async (token: string) => (await app.call('GET', '/api/auth/me', { token })).status;
const session = (userId: string) =>
  app.db.selectFrom('auth_sessions').selectAll().where('user_id', '=', userId).executeTakeFirstOrThrow();
/** Makes a session look older than it is, by all its dates. */
async function age(userId: string, ms: number) {
  const { created_at, last_seen_at, expires_at } = await session(userId);
  const back = (date: Date) => new Date(date.getTime() - ms);
  const set = { created_at: back(created_at), last_seen_at: back(last_seen_at), expires_at: back(expires_at) };
  await app.db.updateTable('auth_sessions').set(set).where('user_id', '=', userId).execute();
  app.deps.auth.forgetUser(userId);
}

describe('a session', () => {
  test('moves its end forward when it is used', async () => {
    const { user, token } = await signedIn();
    await age(user.id, 6 * DAY);
    expect(await me(token)).toBe(200);
    const { expires_at } = await session(user.id);
    expect(expires_at.getTime() - Date.now()).toBeGreaterThan(6.9 * DAY);
  });

  test('ends after a week without use', async () => {
    const { user, token } = await signedIn();
    await age(user.id, 8 * DAY);
    expect(await me(token)).toBe(401);
  });

  test('ends after 30 days whatever its use', async () => {
    const { user, token } = await signedIn();
    await age(user.id, 29 * DAY);
    await app.db
      .updateTable('auth_sessions')
      .set({ expires_at: new Date(Date.now() + DAY) })
      .where('user_id', '=', user.id)
      .execute();
    expect(await me(token)).toBe(200);
    expect((await session(user.id)).expires_at.getTime() - Date.now()).toBeLessThan(DAY + MINUTE);
  });

  test('ends at sign-out, with its event, and the cookie goes', async () => {
    const { user, token } = await signedIn();
    const { status, headers } = await app.call('POST', '/api/auth/logout', { token });
    expect(status).toBe(204);
    expect(headers.get('set-cookie')).toStartWith('streamspace=; Max-Age=0;');
    expect(await me(token)).toBe(401);
    const events = await app.db.selectFrom('events').select('data').where('name', '=', 'user.logout').execute();
    expect(events.map(({ data }) => (data as { id: string }).id)).toContain(user.id);
  });
});

describe('a change of password', () => {
  const change = (token: string, currentPassword: string, newPassword: string) =>
    app.call('POST', '/api/auth/password', { token, body: { currentPassword, newPassword } });

  test('ends the other sessions and keeps this one', async () => {
    const { email, token } = await signedIn();
    const other = await app.signIn(email);
    expect(await me(other.token)).toBe(200);
    expect((await change(token, PASSWORD, 'a new passphrase')).status).toBe(204);
    expect([await me(token), await me(other.token)]).toEqual([200, 401]);
    expect((await app.signIn(email, 'a new passphrase')).token).toBeString();
    await expect(app.signIn(email)).rejects.toThrow('401');
  });

  test('needs the current password', async () => {
    const { token } = await signedIn();
    const { status, body } = await change(token, 'something else', 'a new passphrase');
    expect([status, body.code]).toEqual([401, 'invalid_credentials']);
  });

  test('refuses a short one', async () => {
    const { token } = await signedIn();
    const { status, body } = await change(token, PASSWORD, 'short');
    expect(status).toBe(422);
    expect(body.errors[0].pointer).toBe('/newPassword');
  });
});

describe('what is remembered of a principal', () => {
  test('spares the database, until the user changes', async () => {
    const { user, token } = await signedIn();
    expect(await me(token)).toBe(200);
    await app.db.deleteFrom('auth_sessions').where('user_id', '=', user.id).execute();
    const request = new Request(app.url, { headers: { authorization: `Bearer ${token}` } });
    // No promise: it was answered from memory.
    expect(app.deps.auth.resolvePrincipal(request)).toMatchObject({ userId: user.id });
    app.deps.auth.forgetUser(user.id);
    expect(await app.deps.auth.resolvePrincipal(request)).toBeNull();
  });

  test('goes with a change of role', async () => {
    const boss = await signedIn('admin');
    const { user, token } = await signedIn('admin');
    expect((await app.call('GET', '/api/users', { token })).status).toBe(200);
    const patch = { token: boss.token, body: { role: 'user' } };
    expect((await app.call('PATCH', `/api/users/${user.id}`, patch)).status).toBe(200);
    expect((await app.call('GET', '/api/users', { token })).status).toBe(403);
  });

  test('lives a few seconds, never past the end of the session, and is bounded', () => {
    let now = 1_000_000;
    const cache = new PrincipalCache(() => now);
    const principal = { userId: 'u', credentialId: 'c' } as Principal;
    cache.put('a', principal, Number.POSITIVE_INFINITY, cache.epoch);
    cache.put('b', principal, now + 1_000, cache.epoch);
    now += 1_000;
    expect([cache.get('a'), cache.get('b')]).toEqual([principal, null]);
    now += 4_000;
    expect(cache.get('a')).toBeNull();
    for (let n = 0; n < 10_010; n++) cache.put(String(n), principal, Number.POSITIVE_INFINITY, cache.epoch);
    expect([cache.size, cache.get('0'), cache.get('10009')]).toEqual([10_000, null, principal]);
  });

  test('is not made of a look-up that an invalidation overtook', () => {
    const cache = new PrincipalCache();
    const { epoch } = cache;
    cache.invalidate(() => false);
    cache.put('a', { userId: 'u' } as Principal, Number.POSITIVE_INFINITY, epoch);
    expect(cache.get('a')).toBeNull();
  });
});
