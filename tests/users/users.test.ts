import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { sql } from 'kysely';
import type { Principal } from '../../src/auth/principal.ts';
import { PASSWORD, startApp, type TestApp } from '../kit/app.ts';

let app: TestApp;
let admin: string;
let adminId: string;
beforeAll(async () => {
  app = await startApp();
  adminId = (await app.makeUser({ email: 'root@example.com', role: 'admin' })).id;
  admin = (await app.signIn('root@example.com')).token;
});
afterAll(() => app.stop());

let count = 0;
const newUser = (more: object = {}) => ({
  email: `user${++count}@example.com`,
  name: 'Ada Lovelace',
  password: PASSWORD,
  ...more,
});
const create = (body: object, token = admin) => app.call('POST', '/api/users', { token, body });
const patch = (id: string, body: object, token = admin) => app.call('PATCH', `/api/users/${id}`, { token, body });
const eventsOf = async (id: string) => {
  const rows = await app.db.selectFrom('events').select(['name', 'data']).orderBy('id').execute();
  return rows.filter(({ data }) => (data as { id?: string }).id === id);
};

describe('an admin', () => {
  test('makes a user, who can sign in; the event says so without a hash', async () => {
    const { status, body, headers } = await create(newUser({ email: ' New@Example.com'.trim(), permissions: ['a:b'] }));
    expect(status).toBe(201);
    expect(headers.get('location')).toBe(`/api/users/${body.id}`);
    expect(body).toMatchObject({ email: 'new@example.com', role: 'user', permissions: ['a:b'], lastLoginAt: null });
    expect(await eventsOf(body.id)).toEqual([{ name: 'user.created', data: body }]);
    expect(await app.signIn('new@example.com')).toBeObject();
    const act = await app.db
      .selectFrom('audit_log')
      .selectAll()
      .where('target', '=', body.id)
      .executeTakeFirstOrThrow();
    expect(act).toMatchObject({ actor_kind: 'user', actor: adminId, action: 'user.created' });
  });

  test('reads, changes and deletes one', async () => {
    const { body: user } = await create(newUser());
    expect((await app.call('GET', `/api/users/${user.id}`, { token: admin })).body).toEqual(user);
    const changed = await patch(user.id, { name: 'Ada King', email: 'KING@example.com', permissions: ['users:read'] });
    expect(changed.body).toMatchObject({ name: 'Ada King', email: 'king@example.com', permissions: ['users:read'] });
    expect((await app.call('DELETE', `/api/users/${user.id}`, { token: admin })).status).toBe(204);
    expect((await app.call('GET', `/api/users/${user.id}`, { token: admin })).status).toBe(404);
    expect((await eventsOf(user.id)).map(({ name }) => name)).toEqual(['user.created', 'user.updated', 'user.deleted']);
  });

  test('cannot give two users one email, whatever its case', async () => {
    const { body: user } = await create(newUser());
    const twice = await create(newUser({ email: user.email.toUpperCase() }));
    expect([twice.status, twice.body.code]).toEqual([409, 'conflict']);
    const { body: other } = await create(newUser());
    expect((await patch(other.id, { email: user.email })).status).toBe(409);
  });

  test('ends sessions by a new password, and all access by deactivation', async () => {
    const { body: user } = await create(newUser());
    const before = await app.signIn(user.email);
    await patch(user.id, { password: 'another passphrase' });
    expect((await app.call('GET', '/api/auth/me', { token: before.token })).status).toBe(401);
    const after = await app.signIn(user.email, 'another passphrase');
    const token = (await app.call('POST', '/api/auth/tokens', { token: after.token, body: { name: 'ci' } })).body.token;
    expect((await app.call('GET', '/api/auth/me', { token })).status).toBe(200);
    await patch(user.id, { active: false });
    for (const gone of [after.token, token]) {
      expect((await app.call('GET', '/api/auth/me', { token: gone })).status).toBe(401);
    }
    await expect(app.signIn(user.email, 'another passphrase')).rejects.toThrow('401');
  });

  test('does not set their own password without the current one', async () => {
    expect((await patch(adminId, { password: 'another passphrase' })).status).toBe(403);
  });

  test.each([
    [{ name: '' }, '/name'],
    [{ email: 'nobody' }, '/email'],
    [{ email: 'a\u0000@b' }, '/email'],
    [{ name: 'NUL \u0000' }, '/name'],
    [{ password: 'short' }, '/password'],
    [{ role: 'root' }, '/role'],
    [{ permissions: ['Bad'] }, '/permissions/0'],
    [{ surprise: 1 }, '/surprise'],
  ])('is told that %p is not valid', async (wrong, pointer) => {
    const { status, body } = await create(newUser(wrong));
    expect(status).toBe(422);
    expect(body.errors.map((issue: { pointer: string }) => issue.pointer)).toEqual([pointer]);
  });
});

describe('the list', () => {
  test('comes in pages by email, and is searched literally', async () => {
    for (const name of ['Grace_Hopper', 'GraceXHopper'])
      await create(newUser({ email: `z-${name}@example.com`, name }));
    const get = async (query: string) => (await app.call('GET', `/api/users?${query}`, { token: admin })).body;
    const emails = (page: { items: { email: string }[] }) => page.items.map(({ email }) => email);
    const all = await get('limit=200');
    expect(all.total).toBe(all.items.length);
    const pages = [await get('page=1&limit=3'), await get('page=2&limit=3')];
    expect(pages.flatMap(emails)).toEqual(emails(all).slice(0, 6));
    expect(pages[1]).toMatchObject({ total: all.total, page: 2, limit: 3 });
    expect(emails(await get('search=grace_hopper'))).toEqual(['z-grace_hopper@example.com']);
    expect((await get('search=%25')).items).toEqual([]);
  });

  test('names what is wrong with the query', async () => {
    const { status, body } = await app.call('GET', '/api/users?page=1&limit=1000', { token: admin });
    expect(status).toBe(422);
    expect(body.errors).toEqual([{ in: 'query', pointer: '/limit', message: expect.any(String) }]);
  });
});

describe('the last active admin', () => {
  test('stays', async () => {
    const { body: retired } = await create(newUser({ role: 'admin' }));
    await patch(retired.id, { active: false });
    const refusals = [
      await patch(adminId, { role: 'user' }),
      await patch(adminId, { active: false }),
      await app.call('DELETE', `/api/users/${adminId}`, { token: admin }),
    ];
    for (const { status, body } of refusals) expect([status, body.code]).toEqual([409, 'conflict']);
  });

  test('is left when two admins demote each other at once', async () => {
    const { body: second } = await create(newUser({ role: 'admin' }));
    const { token } = await app.signIn(second.email);
    const { auth, users } = app.deps;
    const principal = async (bearer: string) => {
      const request = new Request(app.url, { headers: { authorization: `Bearer ${bearer}` } });
      return (await auth.resolvePrincipal(request)) as Principal;
    };
    // Both were let in as admins before either change.
    const actors = [await principal(admin), await principal(token)] as const;
    const changes = await Promise.allSettled([
      users.update(actors[0], second.id, { role: 'user' }),
      users.update(actors[1], adminId, { role: 'user' }),
    ]);
    const refused = changes.flatMap((change) => (change.status === 'rejected' ? [change.reason] : []));
    expect(refused).toEqual([expect.objectContaining({ code: 'conflict' })]);
    const admins = app.db.selectFrom('users').select('id').where('role', '=', 'admin').where('active', '=', true);
    expect(await admins.execute()).toHaveLength(1);
    await app.db.updateTable('users').set({ role: 'admin' }).where('id', '=', adminId).execute();
    auth.forgetUser(adminId);
  });
});

describe('a change whose event cannot be stored', () => {
  test('does not happen', async () => {
    await sql`create function refuse() returns trigger language plpgsql as $$ begin raise exception 'no'; end $$`.execute(
      app.db,
    );
    await sql`create trigger refuse before insert on events for each row execute function refuse()`.execute(app.db);
    try {
      const user = newUser();
      const { status, body } = await create(user);
      expect([status, body.code]).toEqual([500, 'internal']);
      expect(body.detail).not.toContain('no');
      expect(app.logged.find(({ errorId }) => errorId === body.errorId)).toMatchObject({ level: 'error' });
      expect(await app.db.selectFrom('users').selectAll().where('email', '=', user.email).execute()).toEqual([]);
      expect((await patch(adminId, { name: 'Changed' })).status).toBe(500);
      const { name } = await app.db
        .selectFrom('users')
        .select('name')
        .where('id', '=', adminId)
        .executeTakeFirstOrThrow();
      expect(name).not.toBe('Changed');
      await expect(app.signIn('root@example.com')).rejects.toThrow('500');
    } finally {
      await sql`drop function refuse cascade`.execute(app.db);
    }
  });
});
