import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { sql } from 'kysely';
import type { Db } from '../../src/db/client.ts';
import { createLog } from '../../src/log.ts';
import type { PluginRow } from '../../src/plugins/store.ts';
import { RESTORE_POINT_LIMITS } from '../../src/restore-points/limits.ts';
import { type RestorePart, storagePart } from '../../src/restore-points/parts.ts';
import { RestorePoints } from '../../src/restore-points/points.ts';
import { createVault, type Vault } from '../../src/secrets/vault.ts';
import { createStore, type Store } from '../../src/storage/store.ts';
import { openTestKeys } from '../kit/keys.ts';
import { type TestDatabase, testDatabase } from '../kit/postgres.ts';

let database: TestDatabase;
let db: Db;
let points: RestorePoints;
let store: Store;
let vault: Vault;
let count = 0;
const dropped: string[] = [];
const released: number[] = [];

const counting: RestorePart = {
  capture: async () => {},
  restore: async () => {},
  drop: async (_trx, point) => void released.push(point),
  merge: async () => {},
  forget: async () => {},
};

beforeAll(async () => {
  database = await testDatabase();
  ({ db } = database);
  const keys = await openTestKeys(db);
  const databases = { dropDatabase: async (name: string) => void dropped.push(name) };
  points = new RestorePoints({ db, log: createLog('silent'), databases, keys, parts: [storagePart, counting] });
  store = createStore(db);
  vault = createVault({ db, keys });
});
afterAll(() => database?.drop());

function plugin(version = '1.0.0', name = `kept-${++count}`): PluginRow {
  const now = new Date();
  return {
    id: 1,
    name,
    version,
    source: 'upload',
    packageDigest: 'a'.repeat(64),
    enabled: true,
    config: { greeting: 'hi' },
    grants: ['database'],
    limits: { memoryMb: 32 },
    ownProcess: false,
    quarantineReason: null,
    revision: 1,
    generation: 1,
    installedAt: now,
    updatedAt: now,
  };
}

/** A point that counts. */
async function make(row: PluginRow, name: string | null = null): Promise<number> {
  const id = await points.begin(row, 'upgrade');
  await db.transaction().execute((trx) => points.confirm(trx, id, name));
  return id;
}
const put = (name: string, key: string, value: unknown) => store.set(name, key, JSON.stringify(value), {});
const entries = async (name: string) => {
  const { rows } = await sql<{ key: string; value: unknown; version: number }>`
    select key, value, version from plugin_storage where plugin_name = ${name} order by key`.execute(db);
  return rows;
};
const restore = async (name: string, id: number) => {
  const point = await points.find(name, { id });
  await db.transaction().execute((trx) => points.restore(trx, point));
};

describe('a point', () => {
  test('counts from the transaction on in which it is confirmed', async () => {
    const row = plugin();
    const id = await points.begin(row, 'upgrade');
    expect(await points.list(row.name)).toEqual([]);
    await db
      .transaction()
      .execute(async (trx) => {
        await points.confirm(trx, id, 'ss_before');
        throw new Error('the upgrade fails');
      })
      .catch(() => undefined);
    expect(await points.list(row.name)).toEqual([]);
    await db.transaction().execute((trx) => points.confirm(trx, id, 'ss_before'));
    expect(await points.list(row.name)).toMatchObject([
      {
        id,
        plugin: row.name,
        reason: 'upgrade',
        version: '1.0.0',
        packageDigest: row.packageDigest,
        source: 'upload',
        config: { greeting: 'hi' },
        grants: ['database'],
        limits: { memoryMb: 32 },
        database: 'ss_before',
      },
    ]);
  });

  test('that is gone ends the transaction that was to make it count', async () => {
    const id = await points.begin(plugin(), 'upgrade');
    await points.remove([id]);
    await expect(db.transaction().execute((trx) => points.confirm(trx, id, null))).rejects.toThrow();
  });

  test('is found by its id, by its version, or as the newest; else the error says what there is', async () => {
    const row = plugin('1.0.0');
    const first = await make(row);
    const second = await make({ ...row, version: '2.0.0' });
    const third = await make({ ...row, version: '1.0.0' });
    expect((await points.find(row.name, {})).id).toBe(third);
    expect((await points.find(row.name, { id: first })).id).toBe(first);
    expect((await points.find(row.name, { version: '2.0.0' })).id).toBe(second);
    expect((await points.find(row.name, { version: '1.0.0' })).id).toBe(third);
    const missing = points.find(row.name, { version: '3.0.0' });
    await expect(missing).rejects.toMatchObject({
      code: 'restore_point_not_found',
      message: expect.stringContaining(`no restore point of 3.0.0; it has ${third} (1.0.0), ${second} (2.0.0)`),
    });
    await expect(points.find(row.name, { id: first, version: '2.0.0' })).rejects.toMatchObject({
      code: 'restore_point_not_found',
    });
    // Another plugin's is not there.
    await expect(points.find(plugin().name, { id: first })).rejects.toMatchObject({ code: 'restore_point_not_found' });
  });
});

describe('key-value storage', () => {
  test('is again what it was: changed, removed and added keys, with their versions', async () => {
    const row = plugin();
    const other = plugin();
    await put(row.name, 'changed', { n: 1 });
    await put(row.name, 'removed', 'was here');
    await put(row.name, 'same', [null, 1]);
    await put(other.name, 'changed', 'of another');
    const before = await entries(row.name);
    const id = await make(row);
    await put(row.name, 'changed', { n: 2 });
    await store.delete(row.name, 'removed');
    await put(row.name, 'added', true);
    await restore(row.name, id);
    expect(await entries(row.name)).toEqual(before);
    expect(await entries(other.name)).toHaveLength(1);
    // A version that was read then is good for a change now.
    const version = before.find(({ key }) => key === 'changed')?.version ?? 0;
    expect(await store.set(row.name, 'changed', '3', { ifVersion: version })).toBeGreaterThan(version);
  });

  test('counts as much as it is', async () => {
    const row = plugin();
    await put(row.name, 'a', 'x'.repeat(1_000));
    const before = await store.usage(row.name);
    const id = await make(row);
    for (let i = 0; i < 5; i += 1) await put(row.name, `more-${i}`, 'y'.repeat(5_000));
    await restore(row.name, id);
    expect(await store.usage(row.name)).toEqual(before);
  });

  test('comes back though it is over the quota by now, and grows no more', async () => {
    const row = plugin();
    let bytes = 10_000;
    const limited = createStore(db, () => ({ bytes, keys: 100 }));
    await limited.set(row.name, 'large', JSON.stringify('x'.repeat(5_000)), {});
    const id = await make(row);
    await limited.delete(row.name, 'large');
    bytes = 1_000;
    await limited.set(row.name, 'small', '1', {});
    await restore(row.name, id);
    expect((await entries(row.name)).map(({ key }) => key)).toEqual(['large']);
    await expect(limited.set(row.name, 'more', '1', {})).rejects.toMatchObject({ code: 'quota_exceeded' });
  });

  test('what has expired is not captured, and what expires meanwhile does not come back to life', async () => {
    const row = plugin();
    await put(row.name, 'stays', 1);
    await put(row.name, 'expired', 1);
    await put(row.name, 'expires', 1);
    const expire = (key: string) =>
      sql`update plugin_storage set expires_at = now() - interval '1 s' where plugin_name = ${row.name} and key = ${key}`;
    await expire('expired').execute(db);
    await sql`update plugin_storage set expires_at = now() + interval '1 h'
      where plugin_name = ${row.name} and key = 'expires'`.execute(db);
    const id = await make(row);
    await sql`update restore_point_storage set expires_at = now() - interval '1 s'
      where point = ${id} and key = 'expires'`.execute(db);
    await restore(row.name, id);
    expect((await entries(row.name)).map(({ key }) => key)).toEqual(['expires', 'stays']);
    expect(await store.get(row.name, 'expires')).toBeNull();
  });
});

test('secrets are kept sealed, and are those of then', async () => {
  const row = plugin();
  await vault.put(row.name, { token: 'the first secret', old: 'an old one' });
  const id = await make(row);
  await vault.put(row.name, { token: 'the second secret' });
  const point = await points.find(row.name, { id });
  expect(await points.secretsOf(point)).toEqual({ token: 'the first secret', old: 'an old one' });
  const { rows } = await sql`select sealed from restore_point_secrets where point = ${id}`.execute(db);
  expect(JSON.stringify(rows)).not.toContain(Buffer.from('the first secret').toString('hex'));
  // Nobody else's: the place is sealed with the value.
  await expect(points.secretsOf({ ...point, plugin: 'another' })).rejects.toMatchObject({ code: 'secrets_unreadable' });
});

describe('points go', () => {
  test('with all that they held', async () => {
    const row = plugin();
    await put(row.name, 'a', 1);
    await vault.put(row.name, { token: 'a secret' });
    const id = await make(row, 'ss_removed');
    await points.remove([id]);
    expect(await points.list(row.name)).toEqual([]);
    expect(dropped).toContain('ss_removed');
    expect(released).toContain(id);
    const left = await sql`select point from restore_point_storage where point = ${id}
      union select point from restore_point_secrets where point = ${id}`.execute(db);
    expect(left.rows).toEqual([]);
  });

  test('by count: the newest stay', async () => {
    const row = plugin();
    const ids: number[] = [];
    for (let i = 0; i < RESTORE_POINT_LIMITS.count + 2; i += 1) ids.push(await make(row, `ss_${row.name}_${i}`));
    await points.prune(row.name);
    expect((await points.list(row.name)).map(({ id }) => id)).toEqual(ids.slice(2).reverse());
    expect(dropped).toEqual(expect.arrayContaining([`ss_${row.name}_0`, `ss_${row.name}_1`]));
    expect(dropped).not.toContain(`ss_${row.name}_2`);
  });

  test('by age: but the newest never', async () => {
    const row = plugin();
    const [first, second] = [await make(row), await make(row)];
    const { days } = RESTORE_POINT_LIMITS;
    await sql`update restore_points set created_at = now() - ${days + 1} * interval '1 day'
      where plugin_name = ${row.name}`.execute(db);
    await points.prune(row.name);
    expect((await points.list(row.name)).map(({ id }) => id)).toEqual([second]);
    expect(released).toContain(first);
  });

  test('of a plugin that is dropped: in its transaction, and the databases after it', async () => {
    const row = plugin();
    await make(row, 'ss_dropped');
    await points.begin(row, 'upgrade');
    const other = plugin();
    await make(other, 'ss_of_another');
    const after = await db.transaction().execute((trx) => points.dropPlugin(row.name, trx));
    expect(await points.list(row.name)).toEqual([]);
    expect(dropped).not.toContain('ss_dropped');
    await after();
    expect(dropped).toContain('ss_dropped');
    expect(dropped).not.toContain('ss_of_another');
    expect(await points.plugins()).toContain(other.name);
    expect(await points.plugins()).not.toContain(row.name);
  });

  test('that a crash left before they counted: at the next start', async () => {
    const row = plugin();
    await put(row.name, 'a', 1);
    const [counts, left] = [await make(row), await points.begin(row, 'upgrade')];
    await points.sweep();
    expect((await points.list(row.name)).map(({ id }) => id)).toEqual([counts]);
    const { rows } = await sql`select from restore_point_storage where point = ${left}`.execute(db);
    expect(rows).toEqual([]);
  });
});
