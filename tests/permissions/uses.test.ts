import { afterAll, beforeEach, describe, expect, test } from 'bun:test';
import { sql } from 'kysely';
import { createLog } from '../../src/log.ts';
import { USE_LIMITS } from '../../src/permissions/limits.ts';
import { listUses } from '../../src/permissions/use-rows.ts';
import { Uses } from '../../src/permissions/uses.ts';
import { testDatabase } from '../kit/postgres.ts';

const { db, drop } = await testDatabase();
afterAll(drop);

const log = createLog('silent');
const at = (ms: number) => new Date(ms);
const install = (name: string, grants: readonly string[] = []) =>
  db
    .insertInto('installed_plugins')
    .values({ name, version: '1.0.0', source: 'upload', package_digest: '', grants: [...grants] })
    .execute();
const grant = (name: string, grants: readonly string[]) =>
  db
    .updateTable('installed_plugins')
    .set({ grants: [...grants] })
    .where('name', '=', name)
    .execute();
const rows = async (plugin: string) =>
  Object.fromEntries((await listUses(db, plugin)).map(({ kind, name, ...use }) => [`${kind} ${name}`, use]));

beforeEach(async () => {
  await db.deleteFrom('installed_plugins').execute();
});

describe('counts', () => {
  test('are added to what the database has, in a batch, with first and last times', async () => {
    await install('busy');
    let now = 1_000;
    const uses = new Uses({ db, log, now: () => now });
    for (let call = 0; call < 3; call += 1) {
      uses.used('busy', 'fetch', 'network');
      now += 1_000;
    }
    uses.used('busy', 'storage', null);
    uses.refused('busy', 'fetch', 'network:10.0.0.1:80');
    await uses.flush();
    expect(await rows('busy')).toEqual({
      'capability fetch': {
        grantedAt: null,
        uses: 3,
        firstUsedAt: at(1_000),
        lastUsedAt: at(3_000),
        refused: 1,
        lastRefusedAt: at(4_000),
      },
      'capability storage': {
        grantedAt: null,
        uses: 1,
        firstUsedAt: at(4_000),
        lastUsedAt: at(4_000),
        refused: 0,
        lastRefusedAt: null,
      },
      'permission network': {
        grantedAt: null,
        uses: 3,
        firstUsedAt: at(1_000),
        lastUsedAt: at(3_000),
        refused: 0,
        lastRefusedAt: null,
      },
      'permission network:10.0.0.1:80': {
        grantedAt: null,
        uses: 0,
        firstUsedAt: null,
        lastUsedAt: null,
        refused: 1,
        lastRefusedAt: at(4_000),
      },
    });

    now = 9_000;
    uses.used('busy', 'fetch', 'network');
    await uses.flush();
    await uses.flush();
    expect((await rows('busy'))['permission network']).toMatchObject({
      uses: 4,
      firstUsedAt: at(1_000),
      lastUsedAt: at(9_000),
    });
  });

  test('lose nothing that happens during a write, and are written once when two ask at once', async () => {
    await install('busy');
    const uses = new Uses({ db, log });
    uses.used('busy', 'storage', null);
    const writes = [uses.flush(), uses.flush()];
    await Promise.resolve();
    uses.used('busy', 'storage', null);
    await Promise.all(writes);
    await uses.flush();
    expect((await rows('busy'))['capability storage']?.uses).toBe(2);
  });

  test('of a plugin that is just being installed wait for its row', async () => {
    await install('there');
    const uses = new Uses({ db, log });
    uses.used('coming', 'storage', null);
    uses.used('there', 'storage', null);
    await uses.flush();
    expect((await rows('there'))['capability storage']?.uses).toBe(1);
    await install('coming');
    await uses.flush();
    expect((await rows('coming'))['capability storage']?.uses).toBe(1);
  });

  test('of a plugin that was uninstalled are gone', async () => {
    await install('leaving');
    const uses = new Uses({ db, log });
    uses.used('leaving', 'storage', null);
    uses.forget('leaving');
    await uses.flush();
    expect(await rows('leaving')).toEqual({});
  });

  test('are kept when the database refuses, and written later', async () => {
    const other = await testDatabase();
    const uses = new Uses({ db: other.db, log });
    await other.db
      .insertInto('installed_plugins')
      .values({ name: 'held', version: '1.0.0', source: 'upload', package_digest: '' })
      .execute();
    uses.used('held', 'storage', null);
    await sql`alter table plugin_permission_use rename to elsewhere`.execute(other.db);
    await expect(uses.flush()).rejects.toThrow('plugin_permission_use');
    await sql`alter table elsewhere rename to plugin_permission_use`.execute(other.db);
    await uses.flush();
    expect((await listUses(other.db, 'held'))[0]?.uses).toBe(1);
    await other.drop();
  });
});

describe('a plugin that makes up permissions', () => {
  test('fills neither memory nor the table: the last refusals are kept, and all are counted by capability', async () => {
    await install('curious', ['network']);
    let now = 0;
    const uses = new Uses({ db, log, now: () => now });
    for (now = 1; now <= 2_000; now += 1) uses.refused('curious', 'plugins', `plugins:call:p${now}`);
    uses.refused('curious', 'events', 'not\u0000text');
    await uses.flush();
    const known = await rows('curious');
    expect(known['capability plugins']?.refused).toBe(2_000);
    expect(known['capability events']?.refused).toBe(1);
    expect(known[`permission plugins:call:p${USE_LIMITS.names}`]?.refused).toBe(1);
    expect(known['permission plugins:call:p1']).toBeUndefined();
    // The grant, both capabilities, and the last refusals.
    expect(Object.keys(known)).toHaveLength(USE_LIMITS.refusals + 3);
  });

  test('cannot keep its grants from being counted', async () => {
    await install('curious', ['network']);
    const uses = new Uses({ db, log });
    for (let n = 0; n < 2_000; n += 1) uses.refused('curious', 'plugins', `plugins:call:p${n}`);
    uses.used('curious', 'fetch', 'network');
    await uses.flush();
    expect((await rows('curious'))['permission network']?.uses).toBe(1);
  });
});

describe('since when a permission is granted', () => {
  const sinceOf = (use: { readonly grantedAt: Date | null } | undefined): number => use?.grantedAt?.getTime() ?? 0;

  test('is noted by the database whenever grants change, and counts stay', async () => {
    await install('asks', ['network', 'files']);
    const uses = new Uses({ db, log });
    uses.used('asks', 'fetch', 'network');
    await uses.flush();
    const first = await rows('asks');
    expect(first['permission network']?.uses).toBe(1);
    expect(first['permission files']?.uses).toBe(0);
    expect(sinceOf(first['permission network'])).toBeGreaterThan(0);

    await grant('asks', ['files', 'users:read']);
    const second = await rows('asks');
    expect(second['permission network']).toMatchObject({ uses: 1, grantedAt: null });
    expect(sinceOf(second['permission files'])).toBe(sinceOf(first['permission files']));

    await grant('asks', ['network']);
    const third = await rows('asks');
    expect(sinceOf(third['permission network'])).toBeGreaterThan(sinceOf(first['permission network']));
    expect(third['permission users:read']).toMatchObject({ grantedAt: null });
  });
});
