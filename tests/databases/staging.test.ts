import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { createSql } from '../../src/db/sql.ts';
import { createLog } from '../../src/log.ts';
import { testCaller } from '../kit/caller.ts';
import { type TestDatabases, testDatabases } from '../kit/databases.ts';

/** Databases by the isolate that was brought up with them. */
const bound = new Map<number, string>();
let world: TestDatabases;
let admin: ReturnType<typeof createSql>;

beforeAll(async () => {
  world = await testDatabases({ databaseOf: (isolate) => bound.get(isolate) ?? null });
  admin = createSql({ address: world.core.address, max: 1, log: createLog('silent') });
});
afterAll(async () => {
  await admin.end();
  await world[Symbol.asyncDispose]();
});

const commit = (staged: { commit(trx: never): Promise<void> }) =>
  world.core.db.transaction().execute((trx) => staged.commit(trx as never));
const databaseThere = async (name: string) => {
  const [row] = await admin.query<{ open: boolean }>(
    'select datallowconn as open from pg_database where datname = $1',
    [name],
  );
  return row === undefined ? 'gone' : row.open ? 'open' : 'closed';
};
/** Whether a promise is settled after a round trip to the server. */
async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  let settled = false;
  promise.then(
    () => (settled = true),
    () => (settled = true),
  );
  await admin.query('select pg_sleep(0.02)');
  return settled;
}

describe('an exchange that is committed', () => {
  test('the next version works in a copy, which is the plugin’s afterwards; the one before stays, closed', async () => {
    const before = await world.provide('upgrade');
    await world.run('upgrade', "create table t as select 'old' as v");
    const staged = await world.databases.stage('upgrade');
    expect(staged.before).toBe(before);
    const session = await world.databases.session('upgrade', staged.database);
    await session.query("update t set v = 'new'");
    await session.end();
    expect(world.databases.currentOf('upgrade')).toBe(before);
    await commit(staged);
    await staged.settle();
    expect(world.databases.currentOf('upgrade')).toBe(staged.database);
    expect((await world.run('upgrade', 'select v from t')).rows).toEqual([['new']]);
    expect(await databaseThere(before)).toBe('closed');
    await expect(world.databases.session('upgrade', before)).rejects.toMatchObject({ code: 'database_unavailable' });
    await world.databases.dropDatabase(before);
    expect(await databaseThere(before)).toBe('gone');
  });

  test('a copy of a database of an earlier time takes its place', async () => {
    const first = await world.provide('rollback');
    await world.run('rollback', "create table t as select 'first' as v");
    const second = await world.provide('rollback');
    await world.run('rollback', "update t set v = 'second'");
    const staged = await world.databases.stageExisting('rollback', first);
    expect(staged.before).toBe(second);
    await commit(staged);
    await staged.settle();
    expect((await world.run('rollback', 'select v from t')).rows).toEqual([['first']]);
    expect([await databaseThere(first), await databaseThere(second)]).toEqual(['closed', 'closed']);
  });
});

describe('an exchange that is given up', () => {
  test('the copy goes, and nothing has changed', async () => {
    const before = await world.provide('failing');
    await world.run('failing', "create table t as select 'old' as v");
    const staged = await world.databases.stage('failing');
    await staged.abandon();
    expect(await databaseThere(staged.database)).toBe('gone');
    expect(world.databases.currentOf('failing')).toBe(before);
    expect((await world.run('failing', 'select v from t')).rows).toEqual([['old']]);
  });

  test('of a plugin that had none, the role goes too', async () => {
    const roles = () => admin.query("select rolname from pg_roles where rolname like 'ss\\_%' order by 1");
    const before = await roles();
    const staged = await world.databases.stage('never');
    expect((await roles()).length).toBe(before.length + 1);
    await staged.abandon();
    expect(await roles()).toEqual(before);
    expect(world.databases.currentOf('never')).toBeNull();
  });

  test('an earlier one stays as it is', async () => {
    const first = await world.provide('undecided');
    await world.provide('undecided');
    const staged = await world.databases.stageExisting('undecided', first);
    await staged.abandon();
    expect([await databaseThere(first), await databaseThere(staged.database)]).toEqual(['closed', 'gone']);
  });

  test('settle and abandon count once, whichever comes first', async () => {
    await world.provide('twice');
    const staged = await world.databases.stage('twice');
    await commit(staged);
    await staged.settle();
    await staged.abandon();
    expect((await world.run('twice', 'select 1')).rows).toEqual([['1']]);
  });
});

describe('while it lasts', () => {
  test('calls wait and then go to the new database; those of the new isolate go on in it', async () => {
    await world.provide('paused');
    await world.run('paused', "create table t as select 'old' as v");
    const staged = await world.databases.stage('paused');
    bound.set(77, staged.database);
    const fresh = testCaller({ plugin: 'paused', isolate: 77 }).caller;
    const select = { sql: 'select v from t', params: [] };
    const waiting = world.run('paused', 'select v from t');
    expect(await isSettled(waiting)).toBe(false);
    await world.databases.run(fresh, { sql: "update t set v = 'new'", params: [] }, null);
    expect((await world.databases.run(fresh, select, null)).rows).toEqual([['new']]);
    expect(await isSettled(waiting)).toBe(false);
    await commit(staged);
    await staged.settle();
    expect((await waiting).rows).toEqual([['new']]);
    expect((await world.databases.run(fresh, select, null)).rows).toEqual([['new']]);
  });

  test('a call that waits ends at its deadline', async () => {
    await world.provide('late');
    const staged = await world.databases.stage('late');
    const { caller, abort } = testCaller({ plugin: 'late' });
    const waiting = world.databases.run(caller, { sql: 'select 1', params: [] }, null);
    abort(new Error('its deadline'));
    await expect(waiting).rejects.toThrow('its deadline');
    await staged.abandon();
  });

  test('what ends soon is waited for; what does not is cancelled, and open transactions are rolled back', async () => {
    await world.provide('busy');
    await world.run('busy', 'create table t (a int)');
    const { caller } = testCaller({ plugin: 'busy', isolate: 5 });
    const options = { isolation: 'read committed', readOnly: false, timeoutMs: 60_000 } as const;
    const transaction = await world.databases.begin(caller, options);
    await world.databases.run(caller, { sql: 'insert into t values (3)', params: [] }, transaction);
    const short = world.run('busy', 'insert into t select 1 from pg_sleep(0.3)');
    const long = world.run('busy', 'insert into t select 2 from pg_sleep(100)').catch((error: unknown) => error);
    await isSettled(short);
    const staged = await world.databases.stage('busy');
    expect(await long).toMatchObject({ code: 'database_unavailable', extra: { retryable: true } });
    await short;
    await expect(world.databases.commit(caller, transaction)).rejects.toMatchObject({ code: 'database_unavailable' });
    await staged.abandon();
    expect((await world.run('busy', 'select a from t')).rows).toEqual([['1']]);
  });

  test('a second one is refused', async () => {
    await world.provide('contended');
    const staged = await world.databases.stage('contended');
    await expect(world.databases.stage('contended')).rejects.toMatchObject({ code: 'plugin_busy' });
    await staged.abandon();
  });

  test('a session that reads the database, for a backup, is ended', async () => {
    await world.provide('backup');
    const session = await world.databases.session('backup');
    const reading = session.query('select pg_sleep(100)').catch((error: Error) => error);
    const staged = await world.databases.stage('backup');
    expect(await reading).toBeInstanceOf(Error);
    await staged.abandon();
  });
});

describe('the sweep', () => {
  test('drops what no table names, and closes what is no plugin’s at the moment', async () => {
    const kept = await world.provide('sweeping');
    const point = await world.provide('sweeping');
    const current = await world.provide('sweeping');
    const prefix = kept.split('_').slice(0, 2).join('_');
    await admin.query(`create database ${prefix}_00000000000000aa`);
    await admin.query(`create role ${prefix}_00000000000000bb`);
    await admin.query(`create database ss_other_00000000000000aa`);
    await admin.query(`alter database ${point} allow_connections true`);
    await world.core.db
      .insertInto('restore_points')
      .values({
        plugin_name: 'sweeping',
        reason: 'upgrade',
        ready: true,
        version: '1.0.0',
        package_digest: 'x',
        source: 'upload',
        config: '{}',
        grants: [],
        limits: '{}',
        database: point,
      })
      .execute();
    await world.databases.sweep();
    expect(await databaseThere(kept)).toBe('gone');
    expect(await databaseThere(point)).toBe('closed');
    expect(await databaseThere(current)).toBe('open');
    expect(await databaseThere(`${prefix}_00000000000000aa`)).toBe('gone');
    expect(await admin.query('select 1 from pg_roles where rolname = $1', [`${prefix}_00000000000000bb`])).toBeEmpty();
    // Another installation's.
    expect(await databaseThere('ss_other_00000000000000aa')).toBe('open');
    await admin.query('drop database ss_other_00000000000000aa');
  });

  test('waits for the next start while a database is staged', async () => {
    const staged = await world.databases.stage('staging');
    await world.databases.sweep();
    expect(await databaseThere(staged.database)).toBe('open');
    await staged.abandon();
  });
});

test('a large database is copied as files', async () => {
  const before = await world.provide('large');
  await world.run('large', "create table t as select repeat('x', 1000) as v from generate_series(1, 60000)");
  expect(await world.databases.bytesOf('large')).toBeGreaterThan(64 * 1024 * 1024);
  const after = await world.provide('large');
  expect(after).not.toBe(before);
  expect((await world.run('large', 'select count(*) from t')).rows).toEqual([['60000']]);
});

test('what is somebody’s is not dropped by name', async () => {
  const current = await world.provide('careful');
  await expect(world.databases.dropDatabase(current)).rejects.toThrow('in use');
  await expect(world.databases.dropDatabase('postgres')).rejects.toThrow('no name of a plugin');
  expect(await databaseThere(current)).toBe('open');
});
