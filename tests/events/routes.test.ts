import { afterAll, afterEach, beforeAll, describe, expect, test } from 'bun:test';
import type { AnyElysia } from 'elysia';
import { CodedError } from '../../sandbox-apis/_kit/errors.ts';
import { createApp } from '../../src/app.ts';
import { publish } from '../../src/events/publish.ts';
import { eventsRoutes } from '../../src/http/events.ts';
import { startApp, type TestApp } from '../kit/app.ts';
import { installPlugin, resetEvents } from './plugins.ts';

let base: TestApp;
let app: AnyElysia;
let admin: string;
let user: string;
let pokes = 0;
beforeAll(async () => {
  base = await startApp();
  const { db, deps } = base;
  const resolvePluginName = async (id: string) => {
    const rows = await db.selectFrom('installed_plugins').select(['id', 'name']).execute();
    const found = rows.find((row) => row.name === id || String(row.id) === id);
    if (!found) throw new CodedError('plugin_not_found', `No plugin ${id}`);
    return found.name;
  };
  const poke = () => {
    pokes += 1;
  };
  app = createApp({ ...deps, routes: [eventsRoutes({ db, auth: deps.auth, resolvePluginName, poke })] });
  await base.makeUser({ email: 'root@example.com', role: 'admin' });
  await base.makeUser({ email: 'ada@example.com' });
  admin = (await base.signIn('root@example.com')).token;
  user = (await base.signIn('ada@example.com')).token;
  await resetEvents(db);
});
afterEach(async () => {
  await resetEvents(base.db);
  pokes = 0;
});
afterAll(() => base.stop());

async function call(method: string, path: string, { token = admin, body }: { token?: string; body?: unknown } = {}) {
  const response = await app.handle(
    new Request(`http://localhost${path}`, {
      method,
      headers: {
        ...(token && { authorization: `Bearer ${token}` }),
        ...(body !== undefined && { 'content-type': 'application/json' }),
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    }),
  );
  const text = await response.text();
  return { status: response.status, body: text === '' ? null : JSON.parse(text) };
}

async function audited(action: string) {
  return base.db.selectFrom('audit_log').select(['actor', 'target', 'detail']).where('action', '=', action).execute();
}

/** A plugin with one delivery in that state; answers the delivery's id. */
async function withDelivery(state: 'pending' | 'done' | 'dead'): Promise<number> {
  await installPlugin(base.db, 'billing', ['*']);
  await publish(base.db, { name: 'user.created', data: { n: 1 } });
  const settled_at = state === 'pending' ? null : new Date();
  await base.db.updateTable('deliveries').set({ state, settled_at }).execute();
  const { id } = await base.db.selectFrom('deliveries').select('id').executeTakeFirstOrThrow();
  return id;
}

describe('POST /api/events', () => {
  test('publishes a custom event: 202, durable, delivered to subscribers, audited', async () => {
    await installPlugin(base.db, 'billing', ['custom.*']);
    const { status, body } = await call('POST', '/api/events', {
      body: { name: 'custom.deploy.done', data: { v: [1] } },
    });
    expect(status).toBe(202);
    const row = await base.db.selectFrom('events').selectAll().executeTakeFirstOrThrow();
    expect(row).toMatchObject({ id: body.id, name: 'custom.deploy.done', data: { v: [1] }, source: 'core' });
    expect(await base.db.selectFrom('deliveries').select('plugin_name').execute()).toEqual([
      { plugin_name: 'billing' },
    ]);
    expect(await audited('event.published')).toMatchObject([
      { target: 'custom.deploy.done', detail: { event: body.id } },
    ]);
    expect(pokes).toBe(1);
  });

  test('data may be left out', async () => {
    expect((await call('POST', '/api/events', { body: { name: 'custom.ping' } })).status).toBe(202);
    expect(await base.db.selectFrom('events').select('data').executeTakeFirst()).toEqual({ data: null });
  });

  test.each([
    [{ name: 'user.created', data: 1 }],
    [{ name: 'plugin.billing.paid', data: 1 }],
    [{ name: 'customs.x', data: 1 }],
    [{ name: 'custom', data: 1 }],
    [{ name: 'custom.', data: 1 }],
    [{ name: 'custom.*', data: 1 }],
    [{ name: 'custom.a.b.c.d.e.f.g.h', data: 1 }],
    [{ name: 'custom.x', data: 'a\0' }],
    [{ name: 'custom.x', source: 'billing' }],
    [{ data: 1 }],
  ])('refuses %j', async (body) => {
    expect((await call('POST', '/api/events', { body })).status).toBe(422);
    expect(await base.db.selectFrom('events').selectAll().execute()).toEqual([]);
    expect(pokes).toBe(0);
  });

  test('refuses data that is too large', async () => {
    const { status, body } = await call('POST', '/api/events', {
      body: { name: 'custom.x', data: 'x'.repeat(262_144) },
    });
    expect([status, body.code]).toEqual([413, 'payload_too_large']);
  });
});

describe('GET /api/events', () => {
  test('filters and pages', async () => {
    for (const name of ['user.created', 'user.updated', 'session.created']) await publish(base.db, { name, data: 1 });
    const first = await call('GET', '/api/events?name=user.*&limit=1');
    expect(first.body.items).toMatchObject([{ name: 'user.updated', data: 1, source: 'core' }]);
    const second = await call('GET', `/api/events?name=user.*&limit=1&cursor=${first.body.nextCursor}`);
    expect(second.body).toMatchObject({ items: [{ name: 'user.created' }], nextCursor: null });
  });

  test.each(['limit=0', 'limit=201', 'limit=x', 'cursor=1', 'name=a%20b'])('refuses ?%s', async (query) => {
    expect((await call('GET', `/api/events?${query}`)).status).toBe(422);
  });
});

describe('deliveries of a plugin', () => {
  test('are listed by state, by name or number of the plugin', async () => {
    const id = await withDelivery('dead');
    const plugin = await base.db.selectFrom('installed_plugins').select('id').executeTakeFirstOrThrow();
    const byName = await call('GET', '/api/plugins/billing/deliveries?state=dead');
    expect(byName).toMatchObject({
      status: 200,
      body: { items: [{ id, state: 'dead', event: { name: 'user.created' } }] },
    });
    expect((await call('GET', `/api/plugins/${plugin.id}/deliveries`)).body).toEqual(byName.body);
    expect((await call('GET', '/api/plugins/billing/deliveries?state=done')).body.items).toEqual([]);
    expect((await call('GET', '/api/plugins/billing/deliveries?state=lost')).status).toBe(422);
  });

  test('are redelivered', async () => {
    const id = await withDelivery('dead');
    const path = `/api/plugins/billing/deliveries/${id}/redeliver`;
    expect(await call('POST', path)).toEqual({ status: 202, body: { id, state: 'pending' } });
    expect(pokes).toBe(1);
    expect(await audited('delivery.redelivered')).toMatchObject([{ target: 'billing', detail: { delivery: id } }]);
    expect((await call('POST', path)).body.code).toBe('conflict');
  });

  test('are dropped', async () => {
    const id = await withDelivery('pending');
    const path = `/api/plugins/billing/deliveries/${id}`;
    expect(await call('DELETE', path)).toEqual({ status: 204, body: null });
    expect(await audited('delivery.dropped')).toMatchObject([{ target: 'billing', detail: { delivery: id } }]);
    expect((await call('DELETE', path)).body.code).toBe('not_found');
  });

  test('of no plugin or with no number are not found or refused', async () => {
    expect((await call('GET', '/api/plugins/ghost/deliveries')).body.code).toBe('plugin_not_found');
    await withDelivery('dead');
    expect((await call('POST', '/api/plugins/billing/deliveries/999999/redeliver')).body.code).toBe('not_found');
    for (const id of ['x', '0', '-1', '1.5', '99999999999999999999']) {
      expect((await call('DELETE', `/api/plugins/billing/deliveries/${id}`)).status).toBe(422);
    }
  });
});

test.each([
  ['POST', '/api/events'],
  ['GET', '/api/events'],
  ['GET', '/api/plugins/billing/deliveries'],
  ['POST', '/api/plugins/billing/deliveries/1/redeliver'],
  ['DELETE', '/api/plugins/billing/deliveries/1'],
])('%s %s is for admins', async (method, path) => {
  const body = method === 'POST' ? { name: 'custom.x' } : undefined;
  expect((await call(method, path, { token: '', body })).status).toBe(401);
  expect((await call(method, path, { token: user, body })).status).toBe(403);
});
