import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { sql } from 'kysely';
import { CodedError } from '../../sandbox-apis/_kit/errors.ts';
import { createStore, type Store } from '../../src/storage/store.ts';
import { type TestDatabase, testDatabase } from '../kit/postgres.ts';

let database: TestDatabase;
let store: Store;
beforeAll(async () => {
  database = await testDatabase();
  store = createStore(database.db);
});
afterAll(() => database.drop());

/** What a call was refused with. */
async function refusal(call: Promise<unknown>): Promise<CodedError> {
  const error = await call.then(
    () => null,
    (thrown: unknown) => thrown,
  );
  if (error instanceof CodedError) return error;
  throw new Error(`refused with a code was expected, not ${error}`);
}

const set = (plugin: string, key: string, value: unknown, options: { ttlSeconds?: number; ifVersion?: number } = {}) =>
  store.set(plugin, key, JSON.stringify(value), options);

/** Lets the time of a key run out, as the database's clock sees it. */
const expire = (plugin: string, key: string) =>
  sql`update plugin_storage set expires_at = now() - interval '1 second' where plugin_name = ${plugin} and key = ${key}`.execute(
    database.db,
  );

describe('values and versions', () => {
  test.each([
    [null],
    [true],
    [0],
    [-1.5],
    [1e300],
    [''],
    ['ä𝄞 "quoted" \\ \n'],
    [[]],
    [{}],
    [[1, [2, { three: null }]]],
    [{ a: { b: 'c' } }],
  ])('%p comes back as it went in', async (value) => {
    await set('values', 'key', value);
    expect((await store.get('values', 'key'))?.value).toEqual(value);
  });

  test('an own key __proto__ is data like any other', async () => {
    await store.set('values', 'proto', '{"__proto__": {"polluted": true}}', {});
    const value = (await store.get('values', 'proto'))?.value as object;
    expect(Object.keys(value)).toEqual(['__proto__']);
    expect(({} as { polluted?: boolean }).polluted).toBeUndefined();
  });

  test('each write has a higher version, also after the key was deleted and made again', async () => {
    const versions = [await set('versions', 'k', 1), await set('versions', 'k', 1), await set('versions', 'k', 2)];
    expect(await store.delete('versions', 'k')).toBe(true);
    versions.push(await set('versions', 'k', 3));
    await store.dropPlugin('versions');
    versions.push(await set('versions', 'k', 4));
    expect(versions).toEqual([...new Set(versions)].sort((a, b) => a - b));
    expect(await store.get('versions', 'k')).toEqual({ value: 4, version: versions.at(-1) as number });
  });

  test('plugins do not see each other', async () => {
    await set('mine', 'shared', 'mine');
    expect(await store.get('theirs', 'shared')).toBeNull();
    expect(await store.delete('theirs', 'shared')).toBe(false);
    expect(
      (await store.list('theirs', { prefix: '', after: null, limit: 10, bytes: 1e6, values: true, reverse: false }))
        .entries,
    ).toEqual([]);
    expect((await store.get('mine', 'shared'))?.value).toBe('mine');
  });
});

describe('ifVersion', () => {
  test('0 writes only what does not exist', async () => {
    const version = await set('cas', 'new', 1, { ifVersion: 0 });
    const error = await refusal(set('cas', 'new', 2, { ifVersion: 0 }));
    expect(error).toMatchObject({ code: 'version_conflict', extra: { current: version } });
    expect((await store.get('cas', 'new'))?.value).toBe(1);
  });

  test('a version writes only over that version', async () => {
    const first = await set('cas', 'old', 1);
    const second = await set('cas', 'old', 2, { ifVersion: first });
    const error = await refusal(set('cas', 'old', 3, { ifVersion: first }));
    expect(error.extra).toEqual({ key: 'old', current: second });
    expect(await refusal(set('cas', 'absent', 3, { ifVersion: first }))).toMatchObject({
      code: 'version_conflict',
      extra: { current: 0 },
    });
  });

  test('delete takes only that version', async () => {
    const version = await set('cas', 'gone', 1);
    expect(await refusal(store.delete('cas', 'gone', version + 1))).toMatchObject({ extra: { current: version } });
    expect(await store.delete('cas', 'gone', version)).toBe(true);
    expect(await refusal(store.delete('cas', 'gone', version))).toMatchObject({ extra: { current: 0 } });
  });

  test('of many that create the same key one succeeds', async () => {
    const outcomes = await Promise.allSettled(
      Array.from({ length: 40 }, (_, i) => set('cas', 'race-new', i, { ifVersion: 0 })),
    );
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
  });

  test('of many that change the same version one succeeds', async () => {
    const version = await set('cas', 'race-old', 'start');
    const outcomes = await Promise.allSettled(
      Array.from({ length: 40 }, (_, i) => set('cas', 'race-old', i, { ifVersion: version })),
    );
    const winner = outcomes.findIndex(({ status }) => status === 'fulfilled');
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    expect((await store.get('cas', 'race-old'))?.value).toBe(winner);
  });

  test('readers who change and write back lose no change', async () => {
    await set('cas', 'list', []);
    const append = async (item: number): Promise<void> => {
      for (;;) {
        const entry = await store.get('cas', 'list');
        const next = [...((entry?.value ?? []) as number[]), item];
        try {
          await set('cas', 'list', next, { ifVersion: entry?.version ?? 0 });
          return;
        } catch (error) {
          if (!(error instanceof CodedError) || error.code !== 'version_conflict') throw error;
        }
      }
    };
    await Promise.all(Array.from({ length: 12 }, (_, i) => append(i)));
    const items = (await store.get('cas', 'list'))?.value as number[];
    expect(items.sort((a, b) => a - b)).toEqual(Array.from({ length: 12 }, (_, i) => i));
  });
});

describe('increment', () => {
  test('counts from 0, by any number', async () => {
    expect(await store.increment('count', 'n', 1)).toBe(1);
    expect(await store.increment('count', 'n', -3.5)).toBe(-2.5);
    expect((await store.get('count', 'n'))?.value).toBe(-2.5);
    await store.increment('count', 'float', 0.1);
    expect(await store.increment('count', 'float', 0.2)).toBe(0.1 + 0.2);
  });

  test('concurrent calls all count, also the first ones', async () => {
    const results = await Promise.all(Array.from({ length: 60 }, () => store.increment('count', 'race', 1)));
    expect(results.sort((a, b) => a - b)).toEqual(Array.from({ length: 60 }, (_, i) => i + 1));
  });

  test.each([['text'], [null], [true], [[1]], [{ n: 1 }]])('%p is not a number', async (value) => {
    await set('count', 'other', value);
    expect((await refusal(store.increment('count', 'other', 1))).code).toBe('invalid_input');
    expect((await store.get('count', 'other'))?.value).toEqual(value);
  });

  test('a sum beyond a double is refused and changes nothing', async () => {
    await set('count', 'huge', 1.7e308);
    expect((await refusal(store.increment('count', 'huge', 1.7e308))).code).toBe('invalid_input');
    expect((await store.get('count', 'huge'))?.value).toBe(1.7e308);
  });

  test('keeps the ttl of a live key and starts an expired one anew', async () => {
    await set('count', 'ttl', 5, { ttlSeconds: 3600 });
    await store.increment('count', 'ttl', 1);
    await expire('count', 'ttl');
    expect(await store.increment('count', 'ttl', 1)).toBe(1);
    await set('count', 'text-before', 'no number');
    await expire('count', 'text-before');
    expect(await store.increment('count', 'text-before', 2)).toBe(2);
  });
});

describe('ttl', () => {
  test('an expired key is absent to every call, before it is swept', async () => {
    for (const key of ['a', 'b', 'c']) {
      await set('ttl', key, 1, { ttlSeconds: 3600 });
      await expire('ttl', key);
    }
    expect(await store.get('ttl', 'a')).toBeNull();
    expect(
      (await store.list('ttl', { prefix: '', after: null, limit: 10, bytes: 1e6, values: true, reverse: false }))
        .entries,
    ).toEqual([]);
    expect(await store.delete('ttl', 'a')).toBe(false);
    expect(await set('ttl', 'b', 2, { ifVersion: 0 })).toBeGreaterThan(0);
    expect((await store.get('ttl', 'b'))?.value).toBe(2);
    expect((await refusal(set('ttl', 'c', 3, { ifVersion: 1 }))).extra).toEqual({ key: 'c', current: 0 });
  });

  test('runs out by itself', async () => {
    await set('ttl', 'short', 1, { ttlSeconds: 0.001 });
    await sql`select pg_sleep(0.005)`.execute(database.db);
    expect(await store.get('ttl', 'short')).toBeNull();
  });

  test('a write without ttl makes the key stay', async () => {
    await set('ttl', 'stay', 1, { ttlSeconds: 3600 });
    await set('ttl', 'stay', 2);
    const { rows } = await sql`select 1 from plugin_storage where key = 'stay' and expires_at is null`.execute(
      database.db,
    );
    expect(rows).toHaveLength(1);
  });

  test('sweep removes what has expired, and only that; sweepers do not collide', async () => {
    for (let n = 0; n < 5; n += 1) await set(`sweep-${n}`, 'live', n, { ttlSeconds: 3600 });
    await sql`insert into plugin_storage (plugin_name, key, value, expires_at)
      select 'sweep-' || (n % 5), 'k' || n, '1', now() - interval '1 second' from generate_series(1, 2500) as n`.execute(
      database.db,
    );
    const removed = await Promise.all([store.sweep(), store.sweep(), store.sweep()]);
    // Who finds another at work leaves it to that one; then nothing is left over for the next.
    const rest = await store.sweep();
    expect(removed.reduce((a, b) => a + b, 0) + rest).toBeGreaterThanOrEqual(2500);
    for (let n = 0; n < 5; n += 1) {
      expect((await store.get(`sweep-${n}`, 'live'))?.value).toBe(n);
      expect(await store.usage(`sweep-${n}`)).toMatchObject({ keys: 1, bytes: 5 });
    }
  });
});
