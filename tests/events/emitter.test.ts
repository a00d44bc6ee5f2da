import { afterAll, afterEach, beforeAll, expect, test } from 'bun:test';
import type { Db } from '../../src/db/client.ts';
import { createSql } from '../../src/db/sql.ts';
import { Emitter } from '../../src/events/emitter.ts';
import { EMIT_LIMITS } from '../../src/events/limits.ts';
import { DELIVERIES_CHANNEL } from '../../src/events/publish.ts';
import { createLog } from '../../src/log.ts';
import { type TestDatabase, testDatabase } from '../kit/postgres.ts';
import { installPlugin, resetEvents } from './plugins.ts';

const log = createLog('error');
let database: TestDatabase;
let db: Db;
beforeAll(async () => {
  database = await testDatabase();
  db = database.db;
});
afterEach(() => resetEvents(db));
afterAll(() => database.drop());

const stored = () =>
  db
    .selectFrom('deliveries as d')
    .innerJoin('events as e', 'e.id', 'd.event_id')
    .select(['d.plugin_name', 'e.id', 'e.data', 'e.source', 'd.order_key'])
    .orderBy('d.id')
    .execute();

test('stores many events in the order of the calls, each with its deliveries, and pokes once they are durable', async () => {
  await installPlugin(db, 'billing', [{ pattern: 'plugin.*', orderBy: 'k.deep', concurrency: null }]);
  await installPlugin(db, 'slack', ['plugin.shop.paid']);
  const pokes: { plugins: readonly string[]; rows: number }[] = [];
  const seen: Promise<unknown>[] = [];
  const emitter = new Emitter({
    db,
    log,
    poke: (plugins) => seen.push(stored().then((rows) => pokes.push({ plugins, rows: rows.length }))),
  });
  const count = EMIT_LIMITS.batch + 50;
  const emits = Array.from({ length: count }, (_, n) =>
    emitter.emit({
      name: n === 7 ? 'plugin.shop.paid' : 'plugin.shop.sold',
      data: { n, k: { deep: n % 2 } },
      source: 'shop',
    }),
  );
  const ids = await Promise.all(emits);
  await Promise.all(seen);
  const rows = await stored();
  const ofBilling = rows.filter(({ plugin_name }) => plugin_name === 'billing');
  expect(ofBilling.map(({ id }) => id)).toEqual(ids);
  expect(ofBilling.map(({ order_key }) => order_key).slice(0, 3)).toEqual(['0', '1', '0']);
  expect(rows.filter(({ plugin_name }) => plugin_name === 'slack')).toMatchObject([
    { id: ids[7], source: 'shop', order_key: null },
  ]);
  expect(pokes.length).toBeLessThan(10);
  expect(pokes[0]?.rows).toBeGreaterThan(0);
  expect(new Set(pokes.flatMap(({ plugins }) => plugins))).toEqual(new Set(['billing', 'slack']));
});

test('refuses what cannot be stored, alone', async () => {
  await installPlugin(db, 'billing', ['*']);
  const emitter = new Emitter({ db, log, poke: () => undefined });
  const outcomes = await Promise.allSettled([
    emitter.emit({ name: 'plugin.a.b', data: 1 }),
    emitter.emit({ name: 'plugin.a.b', data: 'a\0b' }),
    emitter.emit({ name: 'no name', data: 1 }),
    emitter.emit({ name: 'plugin.a.b', data: 2 }),
  ]);
  expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'rejected', 'fulfilled']);
  expect((await stored()).map(({ data }) => data)).toEqual([1, 2]);
});

test('tells other cores for whom there is something', async () => {
  await installPlugin(db, 'only-here', ['*']);
  const sql = createSql({ address: database.address, max: 1, log });
  const heard = Promise.withResolvers<string>();
  // Hints of the tests before may come still.
  await sql.listen(DELIVERIES_CHANNEL, (hint) => hint.includes('only-here') && heard.resolve(hint));
  await new Emitter({ db, log, poke: () => undefined }).emit({ name: 'plugin.a.b', data: 1 });
  expect(await heard.promise).toBe('only-here');
  await sql.end();
});
