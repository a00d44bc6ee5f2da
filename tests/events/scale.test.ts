import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { sql } from 'kysely';
import type { Db } from '../../src/db/client.ts';
import { lagOf } from '../../src/events/lag.ts';
import { capQueues, pruneEvents } from '../../src/events/retention.ts';
import { createSqlDeliveryStore } from '../../src/events/sql-delivery-store.ts';
import { type TestDatabase, testDatabase } from '../kit/postgres.ts';
import { installPlugin } from './plugins.ts';

// What a million rows cost is decided by the indexes that the statements use: shown here with few of them.
const ROWS = 20_000;
let database: TestDatabase;
let db: Db;
beforeAll(async () => {
  database = await testDatabase();
  db = database.db;
  await installPlugin(db, 'busy', ['*']);
  await installPlugin(db, 'calm', ['*']);
  await sql`
    insert into events (id, name, data, source, created_at)
    select gen_random_uuid(), 'user.created', '1', 'core', now() - make_interval(secs => n)
    from generate_series(1, ${ROWS}::int) as n`.execute(db);
  await sql`
    insert into deliveries (event_id, plugin_name, state, settled_at, order_key)
    select id, case n % 100 when 0 then 'calm' else 'busy' end,
      case when n % 4 = 0 then 'done' else 'pending' end, case when n % 4 = 0 then now() end,
      case when n % 5 = 0 then 'key' end
    from (select id, row_number() over () as n from events) e`.execute(db);
});
afterAll(() => database.drop());

interface Reads {
  /** Rows that were read from end to end of a table. */
  readonly scanned: number;
  /** Entries of indexes that were read. */
  readonly entries: number;
}

async function reads(work: () => Promise<unknown>): Promise<Reads> {
  const before = await counted();
  await work();
  const after = await counted();
  return { scanned: after.scanned - before.scanned, entries: after.entries - before.entries };
}

/** Each connection of the pool tells of what it read when it is asked to: until two answers are the same. */
async function counted(last?: Reads): Promise<Reads> {
  const tell = () => sql`select pg_stat_force_next_flush(), pg_sleep(0.02)`.execute(db);
  await Promise.all(Array.from({ length: 8 }, tell));
  const { rows } = await sql<Reads>`
    select
      (select sum(seq_tup_read) from pg_stat_user_tables where relname in ('deliveries', 'events'))::int as scanned,
      (select sum(idx_tup_read) from pg_stat_user_indexes where relname in ('deliveries', 'events'))::int as entries
  `.execute(db);
  const [now = { scanned: 0, entries: 0 }] = rows;
  return last !== undefined && Bun.deepEquals(now, last) ? now : counted(now);
}

describe('with many rows, before the server knows of them', () => {
  const store = () => createSqlDeliveryStore(db);
  test.each([
    ['nextDue', () => store().nextDue()],
    [
      'claim',
      () =>
        store().claim(
          Bun.randomUUIDv7(),
          new Map([
            ['busy', 8],
            ['calm', 8],
          ]),
          1_000,
        ),
    ],
    [
      'claim and settle',
      async () => store().settle(await store().claim(Bun.randomUUIDv7(), new Map([['calm', 8]]), 60_000)),
    ],
  ] as const)('%s reads a few rows', async (_name, work) => {
    const { scanned, entries } = await reads(work);
    expect(scanned).toBe(0);
    // Also along an index it must not look at all that wait: some hundred, most of them to put keys to sleep.
    expect(entries).toBeLessThan(ROWS / 4);
  });

  test.each([
    ['the lag', () => lagOf(db, 'calm')],
    ['pruning', () => pruneEvents(db)],
  ] as const)('%s, once it knows, reads no table from end to end', async (_name, work) => {
    await sql`analyze deliveries, events`.execute(db);
    expect((await reads(work)).scanned).toBe(0);
  });
});

test('a queue over its limit loses its oldest to the dead letters, and those over theirs go', async () => {
  const limits = { pendingPerPlugin: 100, deadPerPlugin: 50, batch: 5_000 };
  const newest = await sql<{ id: number }>`
    select id from deliveries where plugin_name = 'busy' and state = 'pending' order by id desc limit 1`.execute(db);
  await capQueues(db, limits);
  const lag = await lagOf(db, 'busy');
  expect(lag.dead).toBe(50);
  // What is held stays.
  expect(lag.pending).toBeGreaterThanOrEqual(100);
  expect(lag.pending).toBeLessThanOrEqual(116);
  const left = await sql<{ state: string; last_error: string | null }>`
    select state, last_error from deliveries where plugin_name = 'busy' and id = ${newest.rows[0]?.id ?? 0}`.execute(
    db,
  );
  expect(left.rows).toEqual([{ state: 'pending', last_error: null }]);
  const dead = await sql<{ last_error: string }>`
    select distinct last_error from deliveries where plugin_name = 'busy' and state = 'dead'`.execute(db);
  expect(dead.rows).toEqual([{ last_error: 'queue_full: more than 100 deliveries to busy were waiting' }]);
});
