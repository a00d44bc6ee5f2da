import { afterAll, beforeAll, expect, test } from 'bun:test';
import { createSql } from '../../src/db/sql.ts';
import { createLog } from '../../src/log.ts';
import { type TestDatabases, testDatabases } from '../kit/databases.ts';
import { until } from '../kit/until.ts';

let key = 'first';
let world: TestDatabases;
let admin: ReturnType<typeof createSql>;
/** Ends the plugin's connections, so that the next call has to log in. */
async function cutOff(plugin: string): Promise<void> {
  const database = world.databases.currentOf(plugin);
  await admin.query('select pg_terminate_backend(pid, 5000) from pg_stat_activity where datname = $1', [database]);
  await until(
    () =>
      !world.databases.connections().has(plugin) ||
      world.run(plugin, 'select 1').then(
        () => true,
        () => false,
      ),
    'x',
  );
}

beforeAll(async () => {
  world = await testDatabases({ key: () => key });
  admin = createSql({ address: world.core.address, max: 1, log: createLog('silent') });
});
afterAll(async () => {
  await admin.end();
  await world[Symbol.asyncDispose]();
});

test('a role that changed its password has its own again at the next login', async () => {
  await world.provide('sly');
  await world.run('sly', "alter role current_user password 'mine'");
  await expect((await world.databases.session('sly')).end()).resolves.toBeUndefined();
  const [row] = await admin.query<{ rolpassword: string }>(
    'select rolpassword from pg_authid a join plugin_databases p on p.role = a.rolname where plugin_name = $1',
    ['sly'],
  );
  // A verifier: the password itself never came here.
  expect(row?.rolpassword).toStartWith('SCRAM-SHA-256$4096:');
});

test('what a role set for itself does not hold', async () => {
  await world.provide('settled');
  await world.run('settled', 'create table t (a int)');
  for (const setting of [
    "search_path = 'pg_catalog'",
    'statement_timeout = 1',
    'default_transaction_read_only = on',
    "TimeZone = 'Asia/Tokyo'",
    "DateStyle = 'German'",
  ]) {
    await world.run('settled', `alter role current_user set ${setting}`);
  }
  const session = await world.databases.session('settled');
  const { rows } =
    await session.query(`select current_setting('search_path') as path, current_setting('TimeZone') as zone,
    current_setting('default_transaction_read_only') as ro, current_setting('DateStyle') as style`);
  expect(rows).toEqual([{ path: 'plugin', zone: 'UTC', ro: 'off', style: 'ISO, MDY' }]);
  await session.end();
  await cutOff('settled');
  expect((await world.run('settled', 'select count(*) from t')).rows).toEqual([['0']]);
});

test('after a rotation of the key the passwords are others, and work', async () => {
  await world.provide('rotated');
  await world.run('rotated', 'create table t (a int)');
  key = 'second';
  const session = await world.databases.session('rotated');
  await session.end();
  await cutOff('rotated');
  expect((await world.run('rotated', 'select count(*) from t')).rows).toEqual([['0']]);
});

test('a role that a restore has left out is made again', async () => {
  const database = await world.provide('restored');
  const [row] = await admin.query<{ role: string }>('select role from plugin_databases where database = $1', [
    database,
  ]);
  await admin.query(`alter role ${row?.role} rename to ${row?.role}_away`);
  await expect(world.databases.session('restored')).rejects.toMatchObject({ code: 'database_error' });
  expect(await admin.query('select 1 from pg_roles where rolname = $1', [row?.role])).not.toBeEmpty();
  await admin.query(`drop role ${row?.role}`);
  await admin.query(`alter role ${row?.role}_away rename to ${row?.role}`);
  await expect((await world.databases.session('restored')).end()).resolves.toBeUndefined();
});
