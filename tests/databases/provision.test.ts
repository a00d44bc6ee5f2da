import { afterAll, beforeAll, expect, test } from 'bun:test';
import type { DbSocket } from '../../src/db/client.ts';
import { createSql } from '../../src/db/sql.ts';
import { createLog } from '../../src/log.ts';
import { testCaller } from '../kit/caller.ts';
import { type TestDatabases, testDatabases } from '../kit/databases.ts';
import { testDatabase } from '../kit/postgres.ts';
import { until } from '../kit/until.ts';

let world: TestDatabases;
let admin: ReturnType<typeof createSql>;
const log = createLog('silent');

beforeAll(async () => {
  world = await testDatabases();
  admin = createSql({ address: world.core.address, max: 1, log });
});
afterAll(async () => {
  await admin.end();
  await world[Symbol.asyncDispose]();
});

test('a plugin has no database until one is staged and committed', async () => {
  expect(world.databases.currentOf('fresh')).toBeNull();
  expect(world.run('fresh', 'select 1')).rejects.toMatchObject({ code: 'database_unavailable' });
  const name = await world.provide('fresh');
  expect(world.databases.currentOf('fresh')).toBe(name);
  expect(await world.run('fresh', 'select current_schema() as s')).toMatchObject({ rows: [['plugin']] });
  expect(await world.databases.bytesOf('fresh')).toBeGreaterThan(1_000_000);
});

test('names tell neither the plugin nor anything but the installation', async () => {
  const name = await world.provide('secretive');
  expect(name).toMatch(/^ss_[0-9a-z]+_[0-9a-f]{16}$/);
  const [row] = await admin.query<{ oid: number }>(
    'select oid::int8 as oid from pg_database where datname = current_database()',
  );
  expect(name.split('_')[1]).toBe((row?.oid ?? 0).toString(36));
});

test('its role may log in, and nothing else', async () => {
  const database = await world.provide('limited');
  const [role] = await admin.query(
    `select r.* from pg_roles r join plugin_databases p on p.role = r.rolname where p.database = $1`,
    [database],
  );
  expect(role).toMatchObject({
    rolcanlogin: true,
    rolsuper: false,
    rolcreatedb: false,
    rolcreaterole: false,
    rolreplication: false,
    rolbypassrls: false,
    rolconnlimit: 16,
  });
  const [acl] = await admin.query<{ acl: string }>('select datacl::text as acl from pg_database where datname = $1', [
    database,
  ]);
  // Of PUBLIC there is no entry; the role may connect, and neither create schemas nor temporary tables.
  expect(acl?.acl).not.toMatch(/[{,]=/);
  expect(acl?.acl).toMatch(/ss_\w+=c\/streamspace/);
});

test('what a role may not: schemas, temporary tables, extensions, files, large objects, others databases', async () => {
  await world.provide('nosy');
  const other = await world.provide('other');
  for (const sql of [
    'create schema mine',
    'create temporary table t (a int)',
    'create extension hstore',
    "select lo_from_bytea(0, 'x')",
    "select pg_read_file('/etc/passwd')",
    "do $$ begin copy (select 1) to program 'id'; end $$",
    'select * from pg_roles',
    'select * from pg_database',
    'select * from pg_stat_activity',
    'select * from pg_stat_get_activity(null)',
    'select * from pg_locks',
    "select pg_logical_emit_message(false, 'x', 'y')",
    `select pg_database_size('${other}')`,
    'set session authorization streamspace',
  ]) {
    expect(world.run('nosy', sql), sql).rejects.toMatchObject({ code: 'database_error', extra: { sqlstate: '42501' } });
  }
});

test('a role reaches no other database, not even with its own password', async () => {
  await world.provide('here');
  const other = await world.provide('there');
  const core = (world.core.address as DbSocket).database;
  for (const database of [other, core, 'postgres', 'template1']) {
    await expect(world.databases.session('here', database), database).rejects.toMatchObject({
      code: 'database_error',
      extra: { sqlstate: '42501' },
    });
  }
});

test('dropPlugin removes database and role after its commit, and nothing before', async () => {
  const database = await world.provide('leaving');
  await world.run('leaving', 'create table t (a int)');
  const there = async () => (await admin.query('select 1 from pg_database where datname = $1', [database])).length;
  const drop = await world.core.db.transaction().execute((trx) => world.databases.dropPlugin('leaving', trx));
  expect(await there()).toBe(1);
  await drop();
  expect(await there()).toBe(0);
  expect(world.databases.currentOf('leaving')).toBeNull();
  const roles = await admin.query<{ n: number }>(
    `select count(*) as n from pg_roles r where r.rolname like 'ss\\_%' and not exists
      (select from plugin_databases p where p.role = r.rolname)
      and r.rolname like (select 'ss\\_' || split_part($1, '_', 2) || '\\_%')`,
    [database],
  );
  expect(roles[0]?.n).toBe(0);
});

test('a core that may not create databases says what to grant, and works when it is granted', async () => {
  const core = await testDatabase();
  const { database } = core.address as DbSocket;
  await admin.query(`create role little_core login password 'little'`);
  await admin.query(`grant all on database ${database} to little_core`);
  const own = createSql({ address: core.address, max: 1, log });
  await own.query(
    'grant usage on schema public to little_core; grant all on all tables in schema public to little_core',
  );
  const address = { ...(core.address as DbSocket), user: 'little_core', password: 'little' };
  const little = await testDatabases({ core, address });
  try {
    const refusal = await little.databases.stage('guest').then(
      () => null,
      (error: unknown) => error as Error,
    );
    expect(refusal?.message).toContain('alter role "little_core" createdb createrole');
    expect(await core.db.selectFrom('plugin_databases').selectAll().execute()).toBeEmpty();

    await admin.query('alter role little_core createdb createrole');
    await little.provide('guest');
    await little.run('guest', 'create table t (a int)');
    await little.run('guest', 'insert into t values (1)');
    await little.provide('guest');
    expect((await little.run('guest', 'select a from t')).rows).toEqual([['1']]);
    // It is a role as any other, and can neither make schemas nor see the tables of the core.
    expect(little.run('guest', 'create schema mine')).rejects.toMatchObject({ extra: { sqlstate: '42501' } });
    expect(little.run('guest', 'create temporary table x (a int)')).rejects.toMatchObject({
      extra: { sqlstate: '42501' },
    });
    // Its statements are cancelled as any others, and what is dropped leaves nothing.
    const { caller, abort } = testCaller({ plugin: 'guest' });
    const endless =
      'do $$ begin loop begin perform pg_sleep(9); exception when query_canceled then null; end; end loop; end $$';
    const running = little.databases.run(caller, { sql: endless, params: [] }, null).catch((error: unknown) => error);
    const busy = "select 1 from pg_stat_activity where query like 'do $$%' and state = 'active'";
    await until(async () => (await admin.query(busy)).length === 1, 'the statement runs');
    abort(new Error('late'));
    expect(String(await running)).toContain('late');
    await until(async () => (await admin.query(busy)).length === 0, 'the statement was ended');
    const drop = await core.db.transaction().execute((trx) => little.databases.dropPlugin('guest', trx));
    await drop();
    await little.databases.sweep();
    const member = "select 1 from pg_auth_members where member = 'little_core'::regrole";
    expect(await admin.query(member)).toBeEmpty();
  } finally {
    await little[Symbol.asyncDispose]();
    await own.query('drop owned by little_core');
    await own.end();
    await core.drop();
    await admin.query('drop owned by little_core');
    await admin.query('drop role little_core');
  }
});
