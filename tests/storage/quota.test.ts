import { afterAll, beforeAll, expect, test } from 'bun:test';
import { sql } from 'kysely';
import type { StorageQuota } from '../../sandbox-apis/storage/limits.ts';
import { createStore, type Store } from '../../src/storage/store.ts';
import { type TestDatabase, testDatabase } from '../kit/postgres.ts';

let database: TestDatabase;
let store: Store;
/** What plugins get that have no quota of their own here. */
const USUAL: StorageQuota = { bytes: 10_000, keys: 50 };
const quotas = new Map<string, StorageQuota>();
beforeAll(async () => {
  database = await testDatabase();
  store = createStore(database.db, (plugin) => quotas.get(plugin) ?? USUAL);
});
afterAll(() => database.drop());

const set = (plugin: string, key: string, value: unknown) => store.set(plugin, key, JSON.stringify(value), {});
const text = (bytes: number) => 'x'.repeat(bytes);

/** What the rows of a plugin really add up to. */
async function counted(plugin: string): Promise<{ bytes: number; keys: number }> {
  const { rows } = await sql<{ bytes: number; keys: number }>`
    select coalesce(sum(octet_length(key) + octet_length(value::text)), 0)::bigint as bytes, count(*) as keys
    from plugin_storage where plugin_name = ${plugin}`.execute(database.db);
  return rows[0] ?? { bytes: -1, keys: -1 };
}

test('usage follows every kind of write', async () => {
  expect(await store.usage('follow')).toEqual({ bytes: 0, keys: 0, maxBytes: 10_000, maxKeys: 50 });
  await set('follow', 'a', text(100));
  await set('follow', 'b', text(100));
  await set('follow', 'a', text(10));
  await set('follow', 'b', text(200));
  await store.increment('follow', 'n', 9);
  await store.increment('follow', 'n', 1);
  await store.delete('follow', 'b');
  const usage = await store.usage('follow');
  expect(usage).toMatchObject({ bytes: 1 + 12 + 1 + 2, keys: 2 });
  expect(usage).toMatchObject(await counted('follow'));
});

test('growth over the bytes is refused and changes nothing; shrinking and reading go on', async () => {
  await set('bytes', 'a', text(9_000));
  const { version } = (await store.get('bytes', 'a')) ?? { version: 0 };
  await expect(set('bytes', 'b', text(2_000))).rejects.toMatchObject({
    code: 'quota_exceeded',
    extra: { limit: 'storageBytes', max: 10_000, resetsAt: null },
  });
  await expect(set('bytes', 'a', text(11_000))).rejects.toMatchObject({ code: 'quota_exceeded' });
  expect(await store.get('bytes', 'b')).toBeNull();
  expect((await store.get('bytes', 'a'))?.version).toBe(version);
  quotas.set('bytes', { bytes: 1_000, keys: 50 });
  await set('bytes', 'a', text(8_000));
  await expect(set('bytes', 'a', text(8_001))).rejects.toMatchObject({ code: 'quota_exceeded' });
  expect(await store.delete('bytes', 'a')).toBe(true);
  expect(await store.usage('bytes')).toMatchObject({ bytes: 0, keys: 0, maxBytes: 1_000 });
});

test('concurrent writers never pass the keys, and use them up', async () => {
  const outcomes = await Promise.allSettled(Array.from({ length: 120 }, (_, i) => set('keys', `k${i}`, i)));
  expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(50);
  for (const outcome of outcomes) {
    if (outcome.status === 'rejected') expect(outcome.reason).toMatchObject({ code: 'quota_exceeded' });
  }
  expect(await store.usage('keys')).toMatchObject(await counted('keys'));
  expect((await store.usage('keys')).keys).toBe(50);
  await expect(store.increment('keys', 'another', 1)).rejects.toMatchObject({
    code: 'quota_exceeded',
    extra: { limit: 'storageKeys', max: 50 },
  });
  quotas.set('keys', { bytes: 10_000, keys: 51 });
  expect(await store.increment('keys', 'another', 1)).toBe(1);
});

test('concurrent writers never pass the bytes', async () => {
  await Promise.allSettled(Array.from({ length: 40 }, (_, i) => set('race', `k${i}`, text(600 + i))));
  const usage = await store.usage('race');
  expect(usage.bytes).toBeLessThanOrEqual(10_000);
  expect(usage.bytes).toBeGreaterThan(9_000);
  expect(usage).toMatchObject(await counted('race'));
});

test('mixed writes, deletes and increments at once leave the sums right', async () => {
  const work = Array.from({ length: 200 }, (_, i) => {
    const key = `k${i % 7}`;
    if (i % 3 === 0) return store.delete('mixed', key);
    return i % 3 === 1 ? set('mixed', key, text(i)) : store.increment('mixed', `n${i % 5}`, 10 ** (i % 6));
  });
  await Promise.all(work);
  expect(await store.usage('mixed')).toMatchObject(await counted('mixed'));
});

test('expired keys make room for new ones without waiting for the sweeper', async () => {
  await Promise.all(Array.from({ length: 50 }, (_, i) => store.set('room', `k${i}`, '1', { ttlSeconds: 3600 })));
  await expect(set('room', 'new', 1)).rejects.toMatchObject({ code: 'quota_exceeded' });
  await sql`update plugin_storage set expires_at = now() - interval '1 s' where plugin_name = 'room' and key < 'k2'`.execute(
    database.db,
  );
  await set('room', 'new', 1);
  expect(await store.usage('room')).toMatchObject({ keys: 50 - 12 + 1 });
});

test('numbers that are short in JSON and long in Postgres cannot blow a value up', async () => {
  const roomy = createStore(database.db, () => ({ bytes: 1e9, keys: 50 }));
  const json = `[${Array.from({ length: 4_000 }, () => '1e308').join()}]`;
  await expect(roomy.set('blow', 'k', json, {})).rejects.toMatchObject({ code: 'payload_too_large' });
  expect(await roomy.usage('blow')).toMatchObject({ bytes: 0, keys: 0 });
});

test('dropPlugin leaves nothing, also of its quota, and nothing of others goes', async () => {
  await set('drop', 'k', 1);
  await set('drop-not', 'k', 1);
  await store.dropPlugin('drop');
  expect(await store.get('drop', 'k')).toBeNull();
  expect(await store.usage('drop')).toEqual({ bytes: 0, keys: 0, maxBytes: 10_000, maxKeys: 50 });
  expect((await store.get('drop-not', 'k'))?.value).toBe(1);
});

test('writes at the moment of a drop are counted or not there', async () => {
  await set('dropping', 'k', 1);
  await Promise.all([
    ...Array.from({ length: 20 }, (_, i) => set('dropping', `k${i}`, i)),
    store.dropPlugin('dropping'),
    ...Array.from({ length: 20 }, (_, i) => set('dropping', `l${i}`, i)),
  ]);
  expect(await store.usage('dropping')).toMatchObject(await counted('dropping'));
});
