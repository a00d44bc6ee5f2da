import { afterAll, beforeAll, expect, test } from 'bun:test';
import { sql } from 'kysely';
import type { Db } from '../../src/db/client.ts';
import { createLog } from '../../src/log.ts';
import type { PluginRow } from '../../src/plugins/store.ts';
import { storagePart } from '../../src/restore-points/parts.ts';
import { RestorePoints } from '../../src/restore-points/points.ts';
import { ownerOf } from '../../src/restore-points/spaces.ts';
import { createStore, type Store } from '../../src/storage/store.ts';
import { openTestKeys } from '../kit/keys.ts';
import { type TestDatabase, testDatabase } from '../kit/postgres.ts';

// Keys of a version that is being loaded: what it changes counts with the change, beside what others change meanwhile.

let database: TestDatabase;
let db: Db;
let store: Store;
let points: RestorePoints;
let quota = { bytes: 1_000_000, keys: 1_000 };

beforeAll(async () => {
  database = await testDatabase();
  ({ db } = database);
  store = createStore(db, () => quota);
  const databases = { dropDatabase: async () => {} };
  const keys = await openTestKeys(db);
  points = new RestorePoints({ db, log: createLog('silent'), databases, keys, parts: [storagePart] });
});
afterAll(() => database?.drop());

const set = (name: string, key: string, value: unknown) => store.set(name, key, JSON.stringify(value), {});
async function keys(name: string): Promise<Record<string, unknown>> {
  const { rows } = await sql<{ key: string; value: unknown }>`
    select key, value from plugin_storage where plugin_name = ${name} order by key`.execute(db);
  return Object.fromEntries(rows.map(({ key, value }) => [key, value]));
}
/** A restore point with the keys of now, that does not count yet. */
const capture = (name: string): Promise<number> => {
  const row = {
    name,
    version: '1.0.0',
    packageDigest: 'a'.repeat(64),
    source: 'upload',
    config: {},
    grants: [],
    limits: {},
  };
  return points.begin(row as unknown as PluginRow, 'upgrade');
};
const open = (plugin: string, point: number) => points.openSpace(plugin, point, point);
const merge = (plugin: string, point: number) =>
  db.transaction().execute((trx) => points.mergeSpace(trx, plugin, point, point));

test('what the new version changes counts, and so does what the old one changes meanwhile', async () => {
  for (const key of ['both', 'by-new', 'by-old', 'removed-by-new', 'removed-by-old', 'removed-and-changed', 'same']) {
    await set('merging', key, 'before');
  }
  const point = await capture('merging');
  const space = await open('merging', point);
  expect(ownerOf(space)).toBe('merging');
  expect(await keys(space)).toEqual(await keys('merging'));

  await set(space, 'by-new', 'new');
  await set(space, 'both', 'new');
  await set(space, 'added-by-new', 'new');
  await store.delete(space, 'removed-by-new');
  await store.delete(space, 'removed-and-changed');
  expect(await store.get('merging', 'by-new')).toMatchObject({ value: 'before' });
  await set('merging', 'by-old', 'old');
  await set('merging', 'both', 'old');
  await set('merging', 'added-by-old', 'old');
  await set('merging', 'removed-and-changed', 'old');
  await store.delete('merging', 'removed-by-old');

  await merge('merging', point);
  const merged = {
    'added-by-new': 'new',
    'added-by-old': 'old',
    both: 'new',
    'by-new': 'new',
    'by-old': 'old',
    'removed-and-changed': 'old',
    same: 'before',
  };
  expect(await keys('merging')).toEqual(merged);
  expect(await keys(space)).toEqual({});
  expect((await store.usage('merging')).keys).toBe(Object.keys(merged).length);
  expect((await store.usage(space)).keys).toBe(0);
});

test('of a plugin that stored nothing before', async () => {
  const point = await capture('fresh');
  const space = await open('fresh', point);
  await set(space, 'first', 1);
  await merge('fresh', point);
  expect(await keys('fresh')).toEqual({ first: 1 });
  expect((await store.usage('fresh')).keys).toBe(1);
});

test('what is dropped never was; a merge that is rolled back is none', async () => {
  await set('dropping', 'a', 1);
  const point = await capture('dropping');
  const space = await open('dropping', point);
  await set(space, 'a', 2);
  const failing = db.transaction().execute(async (trx) => {
    await points.mergeSpace(trx, 'dropping', point, point);
    throw new Error('the change fails');
  });
  await expect(failing).rejects.toThrow('the change fails');
  expect(await keys('dropping')).toEqual({ a: 1 });
  await points.remove([point]);
  expect(await keys(space)).toEqual({});
});

test('over the quota the change is refused, with a reason', async () => {
  quota = { bytes: 10_000, keys: 1_000 };
  await set('full', 'a', 'x'.repeat(4_000));
  const point = await capture('full');
  const space = await open('full', point);
  await set(space, 'b', 'x'.repeat(4_000));
  await set('full', 'c', 'x'.repeat(4_000));
  await expect(merge('full', point)).rejects.toMatchObject({ code: 'quota_exceeded' });
  expect(Object.keys(await keys('full'))).toEqual(['a', 'c']);
  await points.remove([point]);
});

test('what a crash left goes at the start', async () => {
  quota = { bytes: 1_000_000, keys: 1_000 };
  await set('crashed', 'a', 1);
  const space = await open('crashed', await capture('crashed'));
  await set(space, 'a', 2);
  await points.sweep();
  expect(await keys(space)).toEqual({});
  expect(await keys('crashed')).toEqual({ a: 1 });
  const { rows } = await sql`select from plugin_storage_usage where plugin_name like '%@%'`.execute(db);
  expect(rows).toEqual([]);
});
