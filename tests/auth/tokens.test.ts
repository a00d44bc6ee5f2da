import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { startApp, type TestApp } from '../kit/app.ts';

let app: TestApp;
let admin: string;
let user: string;
let userId: string;
beforeAll(async () => {
  app = await startApp();
  await app.makeUser({ email: 'root@example.com', role: 'admin' });
  userId = (await app.makeUser({ email: 'ada@example.com', permissions: ['users:read', 'users:write'] })).id;
  admin = (await app.signIn('root@example.com')).token;
  user = (await app.signIn('ada@example.com')).token;
});
afterAll(() => app.stop());

const make = (token: string, body: object) => app.call('POST', '/api/auth/tokens', { token, body });

describe('an API token', () => {
  test('is shown once, works as a bearer, and ends when it is revoked', async () => {
    const { status, body } = await make(user, { name: 'ci' });
    expect(status).toBe(201);
    expect(body.token).toMatch(/^ss_[A-Za-z0-9_-]{43}$/);
    const me = await app.call('GET', '/api/auth/me', { token: body.token });
    expect(me.body).toMatchObject({ user: { email: 'ada@example.com' }, via: 'token', csrfToken: null });
    const { body: list } = await app.call('GET', '/api/auth/tokens', { token: user });
    const listed = list.items.find(({ id }: { id: string }) => id === body.id);
    expect(listed).toMatchObject({ name: 'ci', prefix: body.token.slice(0, 7), permissions: null });
    expect(listed.lastUsedAt).not.toBeNull();
    expect(JSON.stringify(list)).not.toContain(body.token);
    expect((await app.call('DELETE', `/api/auth/tokens/${body.id}`, { token: user })).status).toBe(204);
    expect((await app.call('GET', '/api/auth/me', { token: body.token })).status).toBe(401);
    const acts = await app.db
      .selectFrom('audit_log')
      .select('action')
      .where('target', '=', body.id)
      .orderBy('id')
      .execute();
    expect(acts.map(({ action }) => action)).toEqual(['token.created', 'token.revoked']);
  });

  test('works as a bearer only, not as a cookie', async () => {
    const { body } = await make(user, { name: 'cookie' });
    const answer = await app.call('GET', '/api/auth/me', { headers: { cookie: `streamspace=${body.token}` } });
    expect(answer.status).toBe(401);
  });

  test('expires', async () => {
    const { body } = await make(user, { name: 'short', expiresAt: new Date(Date.now() + 60_000).toISOString() });
    expect((await app.call('GET', '/api/auth/me', { token: body.token })).status).toBe(200);
    await app.db
      .updateTable('api_tokens')
      .set({ expires_at: new Date(0) })
      .where('id', '=', body.id)
      .execute();
    app.deps.auth.forgetUser(userId);
    expect((await app.call('GET', '/api/auth/me', { token: body.token })).status).toBe(401);
    const past = await make(user, { name: 'past', expiresAt: '2020-01-01T00:00:00Z' });
    expect([past.status, past.body.errors[0].pointer]).toEqual([422, '/expiresAt']);
  });

  test("belongs to its owner: others can neither see nor revoke it, an admin's list is its own", async () => {
    const { body } = await make(user, { name: 'mine' });
    expect((await app.call('DELETE', `/api/auth/tokens/${body.id}`, { token: admin })).status).toBe(404);
    expect((await app.call('GET', '/api/auth/tokens', { token: admin })).body.items).toEqual([]);
  });

  test('cannot make tokens, sign out or change the password', async () => {
    const { body } = await make(admin, { name: 'all' });
    const token = body.token;
    expect((await make(token, { name: 'child' })).status).toBe(403);
    expect((await app.call('POST', '/api/auth/logout', { token })).status).toBe(403);
    const change = { currentPassword: 'x', newPassword: 'long enough' };
    expect((await app.call('POST', '/api/auth/password', { token, body: change })).status).toBe(403);
    await app.call('DELETE', `/api/auth/tokens/${body.id}`, { token: admin });
  });
});

describe('a narrowed token', () => {
  test('allows its scopes only, even of an admin', async () => {
    const { body } = await make(admin, { name: 'reader', permissions: ['users:read'] });
    expect((await app.call('GET', '/api/users', { token: body.token })).status).toBe(200);
    const create = { email: 'new@example.com', name: 'New', password: 'long enough' };
    const refused = await app.call('POST', '/api/users', { token: body.token, body: create });
    expect([refused.status, refused.body.permission]).toEqual([403, 'users:write']);
  });

  test('cannot be wider than its owner', async () => {
    const { status, body } = await make(user, { name: 'wide', permissions: ['infrastructure:write'] });
    expect([status, body.permission]).toEqual([403, 'infrastructure:write']);
  });

  test('loses what its owner loses, and does not rename its owner', async () => {
    const { body } = await make(user, { name: 'reader', permissions: ['users:read'] });
    expect((await app.call('GET', '/api/users', { token: body.token })).status).toBe(200);
    const rename = await app.call('PATCH', `/api/users/${userId}`, { token: body.token, body: { name: 'X' } });
    expect(rename.status).toBe(403);
    const less = { token: admin, body: { permissions: ['users:write'] } };
    expect((await app.call('PATCH', `/api/users/${userId}`, less)).status).toBe(200);
    expect((await app.call('GET', '/api/users', { token: body.token })).status).toBe(403);
  });
});
