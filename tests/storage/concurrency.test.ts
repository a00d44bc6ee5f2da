import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { sql } from 'kysely';
import { CodedError } from '../../sandbox-apis/_kit/errors.ts';
import type { Write } from '../../sandbox-apis/storage/broker.ts';
import { closeDb, createDb, type Db } from '../../src/db/client.ts';
import { createLog } from '../../src/log.ts';
import { recount } from '../../src/storage/recount.ts';
import { createStore, type Store } from '../../src/storage/store.ts';
import { sweepExpired } from '../../src/storage/sweep.ts';
import { type TestDatabase, testDatabase } from '../kit/postgres.ts';
import { seeded } from '../kit/seeded.ts';
import { within } from '../kit/until.ts';

// Two cores of a cluster, each with a store and connections of its own, write to the same plugin.

let database: TestDatabase;
let cores: readonly { readonly db: Db; readonly store: Store }[];
const QUOTA = { bytes: 1e8, keys: 10_000 };
beforeAll(async () => {
  database = await testDatabase();
  cores = [1, 2].map(() => {
    const db = createDb({ address: database.address, max: 10, log: createLog('warn') });
    return { db, store: createStore(db, () => QUOTA) };
  });
});
afterAll(async () => {
  await Promise.all(cores.map(({ db }) => closeDb(db)));
  await database.drop();
});

const storeAt = (n: number): Store => (cores[n % cores.length] as (typeof cores)[number]).store;

/** What a plugin's usage says, beside what its rows really add up to. */
async function sums(plugin: string) {
  const { rows } = await sql<{ bytes: number; keys: number }>`
    select coalesce(sum(octet_length(key) + octet_length(value::text)), 0)::bigint as bytes, count(*) as keys
    from plugin_storage where plugin_name = ${plugin}`.execute(database.db);
  const { bytes, keys } = await storeAt(0).usage(plugin);
  return { said: { bytes, keys }, real: rows[0] };
}

/** A conflict of versions is an answer like any other here; anything else that goes wrong is not. */
async function unlessConflict(work: Promise<unknown>): Promise<void> {
  await work.catch((error: unknown) => {
    if (!(error instanceof CodedError) || error.code !== 'version_conflict') throw error;
  });
}

const putMany = (keys: readonly string[], value: unknown): Write[] =>
  keys.map((key) => ({ key, json: JSON.stringify(value) }));

test.each([11, 12, 13])(
  'whatever is written, removed and swept at once, the sums are right (seed %i)',
  async (seed) => {
    const plugin = `mix-${seed}`;
    const { below } = seeded(seed);
    const key = () => `k${below(40)}`;
    const keys = () => [...new Set(Array.from({ length: 1 + below(8) }, key))];
    const expire = (store: { readonly db: Db }) =>
      sql`
      update plugin_storage set expires_at = now() - interval '1 s'
      where (plugin_name, key) in (
        select plugin_name, key from plugin_storage where plugin_name = ${plugin} and key = ${key()} for update skip locked)`.execute(
        store.db,
      );
    const acts: ((n: number) => Promise<unknown>)[] = [
      (n) => storeAt(n).set(plugin, key(), JSON.stringify('x'.repeat(below(500))), {}),
      (n) => storeAt(n).set(plugin, key(), '1', { ttlSeconds: below(2) === 0 ? 0.001 : 3600 }),
      (n) => unlessConflict(storeAt(n).set(plugin, key(), '"new"', { ifVersion: 0 })),
      (n) => unlessConflict(storeAt(n).set(plugin, key(), '"other"', { ifVersion: 1 + below(5_000) })),
      (n) => storeAt(n).setMany(plugin, putMany(keys(), 'y'.repeat(below(300)))),
      (n) => {
        const writes = putMany(keys(), 'z').map((one) => ({ ...one, ifVersion: 0 }));
        return unlessConflict(storeAt(n).setMany(plugin, writes));
      },
      (n) => storeAt(n).increment(plugin, `n${below(10)}`, 10 ** below(6)),
      (n) => storeAt(n).increment(plugin, `n${below(10)}`, 0.5),
      (n) => storeAt(n).delete(plugin, key()),
      (n) => storeAt(n).deleteMany(plugin, keys()),
      (n) => storeAt(n).deletePrefix(plugin, { prefix: `k${below(4)}`, after: null, limit: 1 + below(9) }),
      (n) => expire(cores[n % 2] as (typeof cores)[number]),
      (n) => sweepExpired((cores[n % 2] as (typeof cores)[number]).db),
      (n) => recount((cores[n % 2] as (typeof cores)[number]).db, plugin).then((drift) => expect(drift).toBeNull()),
    ];
    const work = Array.from({ length: 500 }, (_, n) => (acts[below(acts.length)] as (typeof acts)[number])(n));
    await within(Promise.all(work), 'all of it is done, without a deadlock', 50_000);
    const { said, real } = await sums(plugin);
    expect(said).toEqual(real as typeof said);
    expect(said.keys).toBeGreaterThan(0);
  },
  60_000,
);

test('batches in opposite orders wait for each other in no circle', async () => {
  const forth = Array.from({ length: 60 }, (_, n) => `k${String(n).padStart(2, '0')}`);
  const back = forth.toReversed();
  const before = await deadlocks();
  const work: Promise<unknown>[] = [];
  for (let round = 0; round < 30; round += 1) {
    const version = { ifVersion: 1 + round };
    work.push(
      storeAt(0).setMany('orders', putMany(forth, round)),
      storeAt(1).setMany('orders', putMany(back, round)),
      unlessConflict(storeAt(0).setMany('orders', [...putMany(back, round), { key: 'z', json: '1', ...version }])),
      unlessConflict(storeAt(1).setMany('orders', [...putMany(forth, round), { key: 'a', json: '1', ...version }])),
      storeAt(round).deleteMany('orders', round % 2 === 0 ? forth : back),
      storeAt(round).deletePrefix('orders', { prefix: 'k', after: null, limit: 20 }),
      ...(round % 2 === 0 ? forth : back).map((key) => storeAt(round).set('orders', key, '"x"', {})),
      ...(round % 2 === 0 ? back : forth).map((key) => storeAt(round).increment('orders', `n${key}`, 1)),
    );
  }
  await within(Promise.all(work), 'all of them are done', 50_000);
  expect((await deadlocks()) - before).toBe(0);
  const { said, real } = await sums('orders');
  expect(said).toEqual(real as typeof said);
  for (const key of forth) expect((await storeAt(0).get('orders', `n${key}`))?.value).toBe(30);
}, 60_000);

/** Circles that Postgres has broken in this database. */
async function deadlocks(): Promise<number> {
  await sql`select pg_stat_force_next_flush()`.execute(database.db);
  const { rows } = await sql<{ deadlocks: number }>`
    select deadlocks from pg_stat_database where datname = current_database()`.execute(database.db);
  return rows[0]?.deadlocks ?? 0;
}

describe('compare and set', () => {
  test('of fifty who write over the same version one succeeds, in each round', async () => {
    const { below } = seeded(50);
    let version = await storeAt(0).set('rounds', 'k', '"start"', {});
    for (let round = 0; round < 10; round += 1) {
      const outcomes = await Promise.allSettled(
        Array.from({ length: 50 }, (_, n) => {
          const value = JSON.stringify({ round, n });
          const expected = { ifVersion: version };
          return below(2) === 0
            ? storeAt(n).set('rounds', 'k', value, expected)
            : storeAt(n)
                .setMany('rounds', [
                  { key: `by/${n}`, json: value },
                  { key: 'k', json: value, ...expected },
                ])
                .then(([, last]) => last ?? 0);
        }),
      );
      const won = outcomes.flatMap((outcome, n) =>
        outcome.status === 'fulfilled' ? [[n, outcome.value] as const] : [],
      );
      expect(won).toHaveLength(1);
      const [winner, next] = won[0] ?? [-1, -1];
      expect(await storeAt(1).get('rounds', 'k')).toEqual({ value: { round, n: winner }, version: next });
      for (const outcome of outcomes) {
        if (outcome.status === 'rejected') expect(outcome.reason).toMatchObject({ code: 'version_conflict' });
      }
      version = next;
    }
  });

  test('of fifty who make the same key one succeeds, though it had been there until it expired', async () => {
    await storeAt(0).set('made', 'k', '1', { ttlSeconds: 0.001 });
    await sql`select pg_sleep(0.005)`.execute(database.db);
    const outcomes = await Promise.allSettled(
      Array.from({ length: 50 }, (_, n) => storeAt(n).set('made', 'k', String(n), { ifVersion: 0 })),
    );
    const winners = outcomes.flatMap(({ status }, n) => (status === 'fulfilled' ? [n] : []));
    expect(winners).toHaveLength(1);
    expect((await storeAt(0).get('made', 'k'))?.value).toBe(winners[0]);
  });
});

describe('a thousand increments at once', () => {
  test('of one key are exact, and each has an answer of its own', async () => {
    const answers = await Promise.all(Array.from({ length: 1_000 }, (_, n) => storeAt(n).increment('one', 'k', 1)));
    expect(answers.sort((a, b) => a - b)).toEqual(Array.from({ length: 1_000 }, (_, n) => n + 1));
  });

  test('of many keys, by whatever numbers, are exact', async () => {
    const { below } = seeded(7);
    const expected = new Map<string, number>();
    await Promise.all(
      Array.from({ length: 1_000 }, (_, n) => {
        const key = `k${below(30)}`;
        const by = below(2_000) - 1_000 + (below(3) === 0 ? 0.5 : 0);
        expected.set(key, (expected.get(key) ?? 0) + by);
        return storeAt(n).increment('many', key, by);
      }),
    );
    const { entries } = await storeAt(0).getMany('many', [...expected.keys()], 1e6);
    expect(new Map(entries.map(({ key, value }) => [key, value as number]))).toEqual(expected);
    const { said, real } = await sums('many');
    expect(said).toEqual(real as typeof said);
  });

  test('one that is refused takes no other with it', async () => {
    await storeAt(0).set('mixed', 'text', '"no number"', {});
    await storeAt(0).set('mixed', 'huge', '1.7e308', {});
    const keys = ['text', 'a', 'huge', 'b', 'a'];
    const outcomes = await Promise.allSettled(
      keys.map((key) => storeAt(0).increment('mixed', key, key === 'huge' ? 1.7e308 : 2)),
    );
    expect(outcomes.map(({ status }) => status)).toEqual([
      'rejected',
      'fulfilled',
      'rejected',
      'fulfilled',
      'fulfilled',
    ]);
    expect((await storeAt(0).get('mixed', 'a'))?.value).toBe(4);
    expect((await storeAt(0).get('mixed', 'b'))?.value).toBe(2);
  });
});

test('writes of one plugin at once are few statements, and the last of a key wins', async () => {
  const versions = await Promise.all(
    Array.from({ length: 200 }, (_, n) => storeAt(0).set('few', `k${n % 150}`, `${n}`, {})),
  );
  expect(new Set(versions).size).toBe(200);
  const { rows } = await sql<{ made: number }>`
    select count(distinct xmin::text) as made from plugin_storage where plugin_name = 'few'`.execute(database.db);
  expect(rows[0]?.made).toBeLessThan(10);
  for (let n = 150; n < 200; n += 1) expect((await storeAt(0).get('few', `k${n - 150}`))?.value).toBe(n);
});

describe('recount', () => {
  test('finds what is wrong, and puts it right while others write', async () => {
    const { db, store } = cores[0] as (typeof cores)[number];
    await Promise.all(Array.from({ length: 20 }, (_, n) => store.set('drift', `k${n}`, '1', {})));
    expect(await recount(db, 'drift')).toBeNull();
    await sql`update plugin_storage_usage set bytes = bytes + 7, keys = keys - 1 where plugin_name = 'drift'`.execute(
      db,
    );
    const [drift] = await Promise.all([
      recount(db, 'drift'),
      ...Array.from({ length: 50 }, (_, n) => storeAt(n).set('drift', `l${n}`, `${n}`, {})),
    ]);
    expect(drift).toMatchObject({ plugin: 'drift' });
    expect((drift?.said.bytes ?? 0) - (drift?.counted.bytes ?? 0)).toBe(7);
    expect(await recount(db, 'drift')).toBeNull();
    const { said, real } = await sums('drift');
    expect(said).toEqual(real as typeof said);
  });

  test('of what stores nothing finds nothing', async () => {
    expect(await recount(database.db, 'never-was')).toBeNull();
  });
});
