import { afterAll, afterEach, beforeAll, describe, expect, test } from 'bun:test';
import type { Db } from '../../src/db/client.ts';
import { lagOf } from '../../src/events/lag.ts';
import { publish } from '../../src/events/publish.ts';
import { pruneEvents } from '../../src/events/retention.ts';
import { dropDelivery, listDeliveries, listEvents, redeliver } from '../../src/events/store.ts';
import { type TestDatabase, testDatabase } from '../kit/postgres.ts';
import { installPlugin, resetEvents } from './plugins.ts';

let database: TestDatabase;
let db: Db;
beforeAll(async () => {
  database = await testDatabase();
  db = database.db;
});
afterEach(() => resetEvents(db));
afterAll(() => database.drop());

/** Publishes one after the other, so that their order is known. */
async function publishAll(...names: string[]): Promise<string[]> {
  const ids: string[] = [];
  for (const name of names) ids.push(await publish(db, { name, data: { name }, source: 'core' }));
  return ids;
}

async function settle(plugin: string, state: 'done' | 'dead', settledAt = new Date()): Promise<void> {
  const change = { state, attempts: 8, settled_at: settledAt, last_error: 'Error: no' };
  await db.updateTable('deliveries').set(change).where('plugin_name', '=', plugin).execute();
}

const names = (page: { items: { name: string }[] }) => page.items.map(({ name }) => name);

describe('listEvents', () => {
  test('newest first, filtered by name, pattern and source', async () => {
    await publishAll('user.created', 'user.created.late', 'userx.a', 'user', 'a_b.c', 'axb.c');
    await publish(db, { name: 'plugin.billing.paid', data: 1, source: 'billing' });
    const list = (filter: object) => listEvents(db, { limit: 50, ...filter }).then(names);
    expect(await list({ name: 'user.*' })).toEqual(['user.created.late', 'user.created']);
    expect(await list({ name: 'user.created' })).toEqual(['user.created']);
    expect(await list({ name: 'a_b.*' })).toEqual(['a_b.c']);
    expect(await list({ name: '*' })).toHaveLength(7);
    expect(await list({ source: 'billing' })).toEqual(['plugin.billing.paid']);
    expect(await list({ source: 'core', name: 'plugin.*' })).toEqual([]);
  });

  test('in pages that neither miss nor repeat what is published between them', async () => {
    await publishAll('a.1', 'a.2', 'a.3', 'a.4', 'a.5');
    const first = await listEvents(db, { limit: 2 });
    await publishAll('a.6');
    const second = await listEvents(db, { limit: 2, cursor: first.nextCursor ?? '' });
    const third = await listEvents(db, { limit: 2, cursor: second.nextCursor ?? '' });
    expect([first, second, third].map(names)).toEqual([['a.5', 'a.4'], ['a.3', 'a.2'], ['a.1']]);
    expect(third.nextCursor).toBeNull();
  });

  test('a page that just holds the rest is the last', async () => {
    await publishAll('a.1', 'a.2');
    expect((await listEvents(db, { limit: 2 })).nextCursor).toBeNull();
  });

  test('says all of an event', async () => {
    const [id] = await publishAll('user.created');
    expect((await listEvents(db, { limit: 1 })).items).toEqual([
      {
        id: id as string,
        name: 'user.created',
        data: { name: 'user.created' },
        source: 'core',
        createdAt: expect.stringMatching(/Z$/),
      },
    ]);
  });
});

describe('deliveries', () => {
  test('are listed by plugin and state, newest first, in pages', async () => {
    await installPlugin(db, 'billing', ['*']);
    await installPlugin(db, 'slack', ['*']);
    await publishAll('a.1', 'a.2', 'a.3');
    await settle('slack', 'dead');
    const page = await listDeliveries(db, 'billing', { limit: 2, state: 'pending' });
    expect(page.items.map(({ event }) => event.name)).toEqual(['a.3', 'a.2']);
    const rest = await listDeliveries(db, 'billing', { limit: 2, state: 'pending', cursor: Number(page.nextCursor) });
    expect(rest.items.map(({ event }) => event.name)).toEqual(['a.1']);
    expect(rest.nextCursor).toBeNull();
    expect((await listDeliveries(db, 'billing', { limit: 9, state: 'dead' })).items).toEqual([]);
    const dead = await listDeliveries(db, 'slack', { limit: 1 });
    expect(dead.items[0]).toMatchObject({
      event: { name: 'a.3', data: { name: 'a.3' } },
      state: 'dead',
      attempts: 8,
      nextAttemptAt: null,
      lastError: 'Error: no',
      settledAt: expect.stringMatching(/Z$/),
    });
  });

  test('are counted', async () => {
    await installPlugin(db, 'billing', ['*']);
    await publishAll('a.1', 'a.2');
    await settle('billing', 'done');
    await publishAll('a.3');
    expect(await lagOf(db, 'billing')).toMatchObject({ pending: 1, dead: 0 });
    expect(await lagOf(db, 'other')).toEqual({ pending: 0, dead: 0, lagSeconds: 0 });
  });

  test.each(['done', 'dead'] as const)(
    'that are %s are pending again after redeliver, with all attempts',
    async (state) => {
      await installPlugin(db, 'billing', ['*']);
      await publishAll('a.1');
      await settle('billing', state);
      const [delivery] = (await listDeliveries(db, 'billing', { limit: 1 })).items;
      const id = delivery?.id ?? 0;
      expect(await redeliver(db, 'other', id)).toBe('not_found');
      expect(await redeliver(db, 'billing', id + 1)).toBe('not_found');
      expect(await redeliver(db, 'billing', id)).toBe('redelivered');
      const [again] = (await listDeliveries(db, 'billing', { limit: 1 })).items;
      expect(again).toMatchObject({ id, state: 'pending', attempts: 0, settledAt: null, lastError: 'Error: no' });
      expect(await redeliver(db, 'billing', id)).toBe('pending');
    },
  );

  test('are dropped only from their own plugin', async () => {
    await installPlugin(db, 'billing', ['*']);
    await publishAll('a.1');
    const id = (await listDeliveries(db, 'billing', { limit: 1 })).items[0]?.id ?? 0;
    expect(await dropDelivery(db, 'other', id)).toBe(false);
    expect(await dropDelivery(db, 'billing', id)).toBe(true);
    expect(await dropDelivery(db, 'billing', id)).toBe(false);
    expect(names(await listEvents(db, { limit: 9 }))).toEqual(['a.1']);
  });
});

describe('pruneEvents', () => {
  const limits = { doneHours: 2, deadHours: 10, eventHours: 2, batch: 2, everyMs: 1 };
  const ago = (hours: number) => new Date(Date.now() - hours * 3_600_000);
  const age = (hours: number) =>
    db
      .updateTable('events')
      .set({ created_at: ago(hours) })
      .execute();

  test('takes done deliveries and their events after their time, in batches, and keeps the younger', async () => {
    await installPlugin(db, 'billing', ['*']);
    await publishAll('old.1', 'old.2', 'old.3', 'old.4', 'old.5');
    await settle('billing', 'done', ago(3));
    await age(3);
    await publishAll('new.1');
    await db
      .updateTable('deliveries')
      .set({ state: 'done', settled_at: ago(1) })
      .where('state', '=', 'pending')
      .execute();
    expect(await pruneEvents(db, limits)).toEqual({ deliveries: 5, events: 5 });
    expect(names(await listEvents(db, { limit: 9 }))).toEqual(['new.1']);
    expect((await listDeliveries(db, 'billing', { limit: 9 })).items.map(({ state }) => state)).toEqual(['done']);
  });

  test('keeps dead letters longer, and the events of whatever is kept', async () => {
    await installPlugin(db, 'billing', ['dead.*']);
    await installPlugin(db, 'slack', ['waiting.*']);
    await publishAll('dead.1', 'waiting.1', 'nobody.1');
    await settle('billing', 'dead', ago(9));
    await age(9);
    expect(await pruneEvents(db, limits)).toEqual({ deliveries: 0, events: 1 });
    expect(names(await listEvents(db, { limit: 9 }))).toEqual(['waiting.1', 'dead.1']);
    await settle('billing', 'dead', ago(11));
    expect(await pruneEvents(db, limits)).toEqual({ deliveries: 1, events: 1 });
    expect(names(await listEvents(db, { limit: 9 }))).toEqual(['waiting.1']);
  });

  test('takes what was left for a plugin that is gone', async () => {
    const [event] = await publishAll('a.1');
    await db
      .insertInto('deliveries')
      .values({ event_id: event as string, plugin_name: 'gone' })
      .execute();
    expect(await pruneEvents(db, limits)).toEqual({ deliveries: 1, events: 0 });
  });
});
