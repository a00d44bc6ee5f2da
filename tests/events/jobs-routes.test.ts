import { afterAll, afterEach, beforeAll, expect, test } from 'bun:test';
import type { AnyElysia } from 'elysia';
import { createApp } from '../../src/app.ts';
import { deliveryJobsRoutes } from '../../src/http/delivery-jobs.ts';
import { startApp, type TestApp } from '../kit/app.ts';
import { installPlugin, resetEvents } from './plugins.ts';

let base: TestApp;
let app: AnyElysia;
let admin: string;
let user: string;
let wakes = 0;
beforeAll(async () => {
  base = await startApp();
  const { db, deps } = base;
  const jobs = {
    wake: () => {
      wakes += 1;
    },
  };
  app = createApp({
    ...deps,
    routes: [deliveryJobsRoutes({ db, auth: deps.auth, resolvePluginName: async (id) => id, jobs })],
  });
  await base.makeUser({ email: 'root@example.com', role: 'admin' });
  await base.makeUser({ email: 'ada@example.com' });
  admin = (await base.signIn('root@example.com')).token;
  user = (await base.signIn('ada@example.com')).token;
});
afterEach(async () => {
  await resetEvents(base.db);
  wakes = 0;
});
afterAll(() => base.stop());

async function call(method: string, path: string, body?: unknown, token = admin) {
  const response = await app.handle(
    new Request(`http://localhost/api/plugins/billing/deliveries${path}`, {
      method,
      headers: { authorization: `Bearer ${token}`, ...(body !== undefined && { 'content-type': 'application/json' }) },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    }),
  );
  const text = await response.text();
  return { status: response.status, body: text === '' ? null : JSON.parse(text) };
}

const audited = async () => {
  const rows = await base.db.selectFrom('audit_log').select('action').where('target', '=', 'billing').execute();
  return rows.map(({ action }) => action);
};

test('a replay answers with its job, which can be read, listed and cancelled', async () => {
  await installPlugin(base.db, 'billing', ['*']);
  const { status, body } = await call('POST', '/replay', {
    from: '2026-01-01T00:00:00Z',
    pattern: 'user.*',
    state: 'missing',
  });
  expect(status).toBe(202);
  expect(body).toMatchObject({
    kind: 'replay',
    state: 'running',
    looked: 0,
    changed: 0,
    reached: null,
    filter: { from: '2026-01-01T00:00:00Z', to: expect.any(String), pattern: 'user.*', states: ['missing'] },
  });
  expect(wakes).toBe(1);
  expect(await call('GET', `/jobs/${body.id}`)).toEqual({ status: 200, body });
  expect(await call('GET', '/jobs')).toEqual({ status: 200, body: { items: [body] } });
  expect(await call('DELETE', `/jobs/${body.id}`)).toEqual({ status: 204, body: null });
  expect(await call('DELETE', `/jobs/${body.id}`)).toMatchObject({ status: 409, body: { code: 'conflict' } });
  expect(await call('GET', `/jobs/${body.id}`)).toMatchObject({ body: { state: 'cancelled' } });
  expect(await audited()).toEqual(['deliveries.replay', 'deliveries.cancelled']);
});

test('redeliver takes the dead letters unless told otherwise; drop wants to be told', async () => {
  await installPlugin(base.db, 'billing', ['*']);
  expect(await call('POST', '/redeliver', {})).toMatchObject({ status: 202, body: { filter: { states: ['dead'] } } });
  expect(await call('POST', '/drop', { state: 'pending' })).toMatchObject({
    status: 202,
    body: { filter: { states: ['pending'] } },
  });
  expect(await call('POST', '/drop', {})).toMatchObject({ status: 422 });
});

test.each([
  ['/replay', {}],
  ['/replay', { from: 'yesterday' }],
  ['/replay', { from: '2026-02-01T00:00:00Z', to: '2026-01-01T00:00:00Z' }],
  ['/replay', { from: '2026-02-01T00:00:00Z', pattern: 'a*b' }],
  ['/replay', { from: '2026-02-01T00:00:00Z', state: 'pending' }],
  ['/redeliver', { state: 'pending' }],
  ['/redeliver', { state: 'dead', more: 1 }],
])('%s %j is refused', async (path, body) => {
  await installPlugin(base.db, 'billing', ['*']);
  const answer = await call('POST', path, body);
  expect(answer.status).toBeGreaterThanOrEqual(400);
  expect(answer.status).toBeLessThan(500);
  expect(await base.db.selectFrom('delivery_jobs').selectAll().execute()).toEqual([]);
});

test('only admins may', async () => {
  await installPlugin(base.db, 'billing', ['*']);
  for (const path of ['/replay', '/redeliver', '/drop']) {
    expect((await call('POST', path, { from: '2026-01-01T00:00:00Z' }, user)).status).toBe(403);
  }
  expect((await call('GET', '/jobs', undefined, user)).status).toBe(403);
});
