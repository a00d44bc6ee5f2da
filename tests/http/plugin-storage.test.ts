import { afterAll, beforeAll, expect, test } from 'bun:test';
import type { AnyElysia } from 'elysia';
import { sql } from 'kysely';
import { CodedError } from '../../sandbox-apis/_kit/errors.ts';
import { RESERVED_SEGMENTS } from '../../sandbox-apis/api/broker.ts';
import { createApp } from '../../src/app.ts';
import { pluginStorageRoutes } from '../../src/http/plugin-storage.ts';
import { createStore, type Store } from '../../src/storage/store.ts';
import { startApp, type TestApp } from '../kit/app.ts';

let base: TestApp;
let app: AnyElysia;
let store: Store;
let admin: string;
let user: string;

beforeAll(async () => {
  base = await startApp();
  const { db, deps } = base;
  store = createStore(db);
  const resolvePluginName = (id: string): string => {
    if (id !== 'billing' && id !== '7') throw new CodedError('plugin_not_found', `No plugin ${id}`);
    return 'billing';
  };
  app = createApp({ ...deps, routes: [pluginStorageRoutes({ db, auth: deps.auth, store, resolvePluginName })] });
  await base.makeUser({ email: 'root@example.com', role: 'admin' });
  await base.makeUser({ email: 'ada@example.com' });
  admin = (await base.signIn('root@example.com')).token;
  user = (await base.signIn('ada@example.com')).token;
  for (const key of ['plan/a', 'plan/b', 'plan/c', 'seats', 'ä & b?']) await store.set('billing', key, `{"of":1}`, {});
  await store.set('billing', 'trial', 'null', { ttlSeconds: 3600 });
  await store.set('billing', 'over', '1', { ttlSeconds: 0.001 });
  await store.set('other', 'plan/a', '"secret of another"', {});
  await sql`select pg_sleep(0.005)`.execute(db);
});
afterAll(() => base.stop());

async function call(method: string, path: string, token: string | null = admin) {
  const headers = token === null ? {} : { authorization: `Bearer ${token}` };
  const response = await app.handle(new Request(`http://localhost/api/plugins/${path}`, { method, headers }));
  return { status: response.status, body: await response.json() };
}
const keysOf = (body: { items: { key: string }[] }) => body.items.map(({ key }) => key);

test('lists keys, sizes, versions and expiry page by page, without values', async () => {
  const first = await call('GET', 'billing/data/storage?limit=4');
  expect(first.status).toBe(200);
  expect(keysOf(first.body)).toEqual(['plan/a', 'plan/b', 'plan/c', 'seats']);
  expect(Object.keys(first.body.items[0]).sort()).toEqual(['bytes', 'expiresAt', 'key', 'version']);
  expect(first.body.items[0]).toMatchObject({ bytes: 'plan/a{"of": 1}'.length, expiresAt: null });
  expect(first.body.usage).toMatchObject({ keys: 7, maxKeys: 100_000 });
  const second = await call('GET', `billing/data/storage?limit=4&cursor=${first.body.nextCursor}`);
  expect(keysOf(second.body)).toEqual(['trial', 'ä & b?']);
  expect(Date.parse(second.body.items[0].expiresAt)).toBeGreaterThan(Date.now());
  expect(second.body.nextCursor).toBeNull();
  expect(keysOf((await call('GET', '7/data/storage?prefix=plan/')).body)).toEqual(['plan/a', 'plan/b', 'plan/c']);
  expect(keysOf((await call('GET', 'billing/data/storage?prefix=none')).body)).toEqual([]);
});

test('shows one entry with its value', async () => {
  const { status, body } = await call('GET', `billing/data/storage/entry?key=${encodeURIComponent('ä & b?')}`);
  expect(status).toBe(200);
  expect(body).toMatchObject({ key: 'ä & b?', value: { of: 1 }, expiresAt: null });
  expect((await call('GET', 'billing/data/storage/entry?key=trial')).body.value).toBeNull();
  for (const key of ['over', 'none']) {
    expect(await call('GET', `billing/data/storage/entry?key=${key}`)).toMatchObject({
      status: 404,
      body: { code: 'not_found' },
    });
  }
});

test('removes one entry or a prefix, and remembers who did', async () => {
  await store.setMany(
    'billing',
    ['x/1', 'x/2', 'x%', 'y'].map((key) => ({ key, json: '1' })),
  );
  expect(await call('DELETE', 'billing/data/storage/entry?key=y')).toEqual({ status: 200, body: { deleted: 1 } });
  expect(await call('DELETE', 'billing/data/storage/entry?key=y')).toEqual({ status: 200, body: { deleted: 0 } });
  expect(await call('DELETE', 'billing/data/storage?prefix=x/')).toEqual({ status: 200, body: { deleted: 2 } });
  expect(await store.get('billing', 'x%')).not.toBeNull();
  const entries = await base.db
    .selectFrom('audit_log')
    .select(['actor_kind', 'target', 'detail'])
    .where('action', '=', 'plugin.storage_deleted')
    .orderBy('id')
    .execute();
  const facts = { actor_kind: 'user', target: 'billing' };
  expect(entries).toEqual([
    { ...facts, detail: { key: 'y', deleted: 1 } },
    { ...facts, detail: { key: 'y', deleted: 0 } },
    { ...facts, detail: { prefix: 'x/', deleted: 2 } },
  ]);
  await store.delete('billing', 'x%');
});

test('what is not said well is refused, and changes nothing', async () => {
  for (const path of [
    '?limit=0',
    '?limit=1001',
    '?cursor=!!',
    '?prefix=%00',
    '?prefix=',
    '/entry',
    '/entry?key=',
    '/entry?key=%0a',
  ]) {
    expect((await call('GET', `billing/data/storage${path}`)).status).toBe(422);
  }
  for (const path of ['', '?prefix=', '/entry', '/entry?key=']) {
    expect((await call('DELETE', `billing/data/storage${path}`)).status).toBe(422);
  }
  expect(await call('GET', 'ghost/data/storage')).toMatchObject({ status: 404, body: { code: 'plugin_not_found' } });
  expect((await store.usage('billing')).keys).toBe(7);
  expect(await store.get('other', 'plan/a')).not.toBeNull();
});

test('it is for admins', async () => {
  for (const path of ['billing/data/storage', 'billing/data/storage/entry?key=seats']) {
    for (const method of ['GET', 'DELETE']) {
      expect((await call(method, path, null)).status).toBe(401);
      expect((await call(method, path, user)).status).toBe(403);
    }
  }
});

test('no plugin can put an endpoint in its place', () => {
  expect(RESERVED_SEGMENTS.has('data')).toBe(true);
});

test('it is in the OpenAPI document', async () => {
  const response = await app.handle(new Request('http://localhost/api/openapi.json'));
  const { paths } = await response.json();
  for (const path of ['/api/plugins/{id}/data/storage', '/api/plugins/{id}/data/storage/entry']) {
    expect(Object.keys(paths[path]).sort()).toEqual(['delete', 'get']);
    expect(paths[path].get.summary).toBeString();
  }
});
