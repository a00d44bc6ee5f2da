import { afterAll, beforeAll, expect, test } from 'bun:test';
import { sql } from 'kysely';
import { Registry } from 'prom-client';
import { closeDb, createDb } from '../../src/db/client.ts';
import { createLog } from '../../src/log.ts';
import { createStorageMetrics } from '../../src/storage/storage-metrics.ts';
import { createStore, type Store } from '../../src/storage/store.ts';
import { sweepBatch, sweepExpired } from '../../src/storage/sweep.ts';
import { type SweeperDeps, startSweeper } from '../../src/storage/sweeper.ts';
import { type TestDatabase, testDatabase } from '../kit/postgres.ts';
import { until } from '../kit/until.ts';

let database: TestDatabase;
let store: Store;
beforeAll(async () => {
  database = await testDatabase();
  store = createStore(database.db);
});
afterAll(() => database.drop());

/** Rows of a plugin that have expired, with values of so many bytes. */
async function expired(plugin: string, rows: number, bytes = 1): Promise<void> {
  await store.set(plugin, 'live', '1', {});
  await sql`
    insert into plugin_storage (plugin_name, key, value, expires_at)
    select ${plugin}, 'k' || n, to_jsonb(repeat('x', ${bytes}::int)), now() - interval '1 hour' + n * interval '1 ms'
    from generate_series(1, ${rows}::int) n`.execute(database.db);
}

const usageOf = async (plugin: string) => {
  const { bytes, keys } = await store.usage(plugin);
  return { bytes, keys };
};
const ONLY_LIVE = { bytes: 'live'.length + 1, keys: 1 };

test('plugins take turns, and there is a pause after each batch that was full', async () => {
  await expired('turns-a', 2_500);
  await expired('turns-b', 1_200);
  let removed = 0;
  const left: [number, number][] = [];
  const pause = async () => {
    left.push([(await usageOf('turns-a')).keys, (await usageOf('turns-b')).keys]);
  };
  removed += await sweepExpired(database.db, { pause });
  expect(removed).toBe(3_700);
  expect(left).toEqual([
    [1_501, 1_201],
    [1_501, 201],
    [501, 201],
  ]);
  expect(await usageOf('turns-a')).toEqual(ONLY_LIVE);
  expect(await usageOf('turns-b')).toEqual(ONLY_LIVE);
});

test('batches of large values are smaller', async () => {
  await expired('large', 20, 600_000);
  const left: number[] = [];
  const pause = async () => {
    left.push((await usageOf('large')).keys);
  };
  expect(await sweepExpired(database.db, { pause })).toBe(20);
  expect(left).toEqual([21 - 14]);
  expect(await usageOf('large')).toEqual(ONLY_LIVE);
});

test('two cores at once leave each other the rows that they hold', async () => {
  await expired('two', 6_000);
  const other = createDb({ address: database.address, max: 2, log: createLog('warn') });
  try {
    const removed = await Promise.all([sweepExpired(database.db), sweepExpired(other), sweepExpired(other)]);
    expect(removed.reduce((a, b) => a + b) + (await sweepExpired(database.db))).toBe(6_000);
    expect(await usageOf('two')).toEqual(ONLY_LIVE);
  } finally {
    await closeDb(other);
  }
});

test('what somebody holds is left, and does not hold up the rest', async () => {
  await expired('held', 10);
  await database.db.transaction().execute(async (trx) => {
    await sql`select from plugin_storage where plugin_name = 'held' and key = 'k3' for update`.execute(trx);
    expect(await sweepBatch(database.db, 'held')).toEqual({ removed: 9, next: null });
  });
  expect(await sweepBatch(database.db, 'held')).toEqual({ removed: 1, next: null });
});

test('a key that is written anew at that moment stays', async () => {
  await expired('anew', 500);
  const [removed] = await Promise.all([
    sweepExpired(database.db),
    ...Array.from({ length: 500 }, (_, n) => store.set('anew', `k${n + 1}`, '"again"', {})),
  ]);
  expect(removed).toBeLessThanOrEqual(500);
  const { entries } = await store.getMany(
    'anew',
    Array.from({ length: 500 }, (_, n) => `k${n + 1}`),
    1e6,
  );
  expect(entries).toHaveLength(500);
  expect(new Set(entries.map(({ value }) => value))).toEqual(new Set(['again']));
  expect((await usageOf('anew')).keys).toBe(501);
});

/** A sweeper that rests 5 ms and counts everything each time, with what it logged and its metrics. */
function startTestSweeper(times: Partial<NonNullable<SweeperDeps['times']>> = {}) {
  const logged: Record<string, unknown>[] = [];
  const log = createLog('info', { write: (line) => logged.push(JSON.parse(line)) });
  const registry = new Registry();
  const metrics = createStorageMetrics(registry, database.db, log);
  const deps = { db: database.db, log, metrics };
  const sweeper = startSweeper({ ...deps, times: { everyMs: 5, pauseMs: 1, countSeconds: 86_400, ...times } });
  return { sweeper, logged, text: () => registry.metrics() };
}

test('the sweeper goes on by itself, counts what it removed, and ends when it is told', async () => {
  await expired('by-itself', 2_200);
  const { sweeper, text, logged } = startTestSweeper();
  try {
    await until(async () => (await usageOf('by-itself')).keys === 1, 'it is swept');
    await expired('by-itself-2', 10);
    await until(async () => (await usageOf('by-itself-2')).keys === 1, 'it is swept again');
  } finally {
    await sweeper.stop();
  }
  expect(await text()).toContain('streamspace_storage_expired_removed_total 2210');
  expect(await text()).toContain('streamspace_plugin_storage_keys{plugin="by-itself"} 1');
  expect(await text()).toContain('streamspace_plugin_storage_bytes{plugin="by-itself"} 5');
  expect(logged).toEqual([]);
});

test('one that is told to end does so after the batch', async () => {
  await expired('stopped', 2_500);
  const end = new AbortController();
  expect(await sweepExpired(database.db, { pause: async () => end.abort(), signal: end.signal })).toBe(1_000);
  expect(await sweepExpired(database.db)).toBe(1_500);
});

test('once a day the sums are looked at: what is wrong is put right and logged', async () => {
  const { db } = database;
  await store.set('wrong', 'k', '1', {});
  await store.set('recent', 'k', '1', {});
  await sql`update plugin_storage_usage set bytes = 1000 where plugin_name in ('wrong', 'recent')`.execute(db);
  await sql`update plugin_storage_usage set counted_at = now() - interval '25 hours' where plugin_name = 'wrong'`.execute(
    db,
  );
  const { sweeper, logged, text } = startTestSweeper();
  try {
    await until(async () => (await usageOf('wrong')).bytes === 2, 'it is put right');
    await until(() => logged.length > 0, 'it is logged');
  } finally {
    await sweeper.stop();
  }
  expect(logged).toMatchObject([
    { level: 'error', plugin: 'wrong', said: { bytes: 1000, keys: 1 }, counted: { bytes: 2, keys: 1 } },
  ]);
  expect(await text()).toContain('streamspace_storage_drifts_total 1');
  expect((await usageOf('recent')).bytes).toBe(1000);
});
