import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { PASSWORD, startApp, type TestApp } from '../kit/app.ts';

let app: TestApp;
/** May manage users, and read templates by role; no admin. */
let manager: string;
let managerId: string;
let plain: string;
let plainId: string;
let adminId: string;
beforeAll(async () => {
  app = await startApp();
  adminId = (await app.makeUser({ email: 'root@example.com', role: 'admin' })).id;
  managerId = (await app.makeUser({ email: 'manager@example.com', permissions: ['users:read', 'users:write'] })).id;
  plainId = (await app.makeUser({ email: 'plain@example.com' })).id;
  manager = (await app.signIn('manager@example.com')).token;
  plain = (await app.signIn('plain@example.com')).token;
});
afterAll(() => app.stop());

const create = (more: object) =>
  app.call('POST', '/api/users', {
    token: manager,
    body: { email: `${crypto.randomUUID()}@example.com`, name: 'New', password: PASSWORD, ...more },
  });
const patch = (id: string, body: object, token = manager) => app.call('PATCH', `/api/users/${id}`, { token, body });
const refused = ({ status, body }: { status: number; body: { code: string } }) => [status, body.code];
const FORBIDDEN = [403, 'forbidden'];

describe('a manager who is no admin', () => {
  test('manages plain users within their own permissions', async () => {
    const { status, body } = await create({ permissions: ['users:read'] });
    expect(status).toBe(201);
    expect((await patch(body.id, { name: 'Renamed', permissions: [] })).status).toBe(200);
    expect((await app.call('DELETE', `/api/users/${body.id}`, { token: manager })).status).toBe(204);
  });

  test('cannot make an admin, or anybody who can do more', async () => {
    expect(refused(await create({ role: 'admin' }))).toEqual(FORBIDDEN);
    const wide = await create({ permissions: ['infrastructure:write'] });
    expect(refused(wide)).toEqual(FORBIDDEN);
    expect(wide.body.permission).toBe('infrastructure:write');
  });

  test('cannot raise themselves or others', async () => {
    expect(refused(await patch(managerId, { role: 'admin' }))).toEqual(FORBIDDEN);
    expect(refused(await patch(managerId, { permissions: ['users:write', 'audit:read'] }))).toEqual(FORBIDDEN);
    expect(refused(await patch(plainId, { role: 'admin' }))).toEqual(FORBIDDEN);
    expect(refused(await patch(plainId, { permissions: ['audit:read'] }))).toEqual(FORBIDDEN);
  });

  test('cannot touch an admin, least of all their password', async () => {
    for (const change of [{ password: 'mine from now on' }, { email: 'mine@example.com' }, { active: false }]) {
      expect(refused(await patch(adminId, change))).toEqual(FORBIDDEN);
    }
    expect(refused(await app.call('DELETE', `/api/users/${adminId}`, { token: manager }))).toEqual(FORBIDDEN);
  });

  test('cannot take over or cut down a user who holds more', async () => {
    const { id } = await app.makeUser({ email: 'auditor@example.com', permissions: ['audit:read'] });
    expect(refused(await patch(id, { password: 'mine from now on' }))).toEqual(FORBIDDEN);
    expect(refused(await patch(id, { permissions: [] }))).toEqual(FORBIDDEN);
  });
});

describe('a plain user', () => {
  test('renames themselves and reads themselves, nothing else', async () => {
    expect((await patch(plainId, { name: 'Plainer' }, plain)).body.name).toBe('Plainer');
    expect((await app.call('GET', `/api/users/${plainId}`, { token: plain })).status).toBe(200);
    expect(refused(await patch(plainId, { name: 'X', permissions: ['users:read'] }, plain))).toEqual(FORBIDDEN);
    expect(refused(await patch(plainId, { email: 'x@example.com' }, plain))).toEqual(FORBIDDEN);
    expect(refused(await patch(managerId, { name: 'X' }, plain))).toEqual(FORBIDDEN);
    expect(refused(await app.call('GET', `/api/users/${managerId}`, { token: plain }))).toEqual(FORBIDDEN);
    const list = await app.call('GET', '/api/users', { token: plain });
    expect([...refused(list), list.body.permission]).toEqual([...FORBIDDEN, 'users:read']);
    expect(refused(await app.call('DELETE', `/api/users/${plainId}`, { token: plain }))).toEqual(FORBIDDEN);
  });
});
