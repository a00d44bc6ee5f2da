import { afterAll, beforeAll, expect, test } from 'bun:test';
import { testCaller } from '../kit/caller.ts';
import { type TestDatabases, testDatabases } from '../kit/databases.ts';

let world: TestDatabases;
const one = (sql: string) => world.run('one', sql);
const two = (sql: string) => world.run('two', sql);

beforeAll(async () => {
  world = await testDatabases();
  await Promise.all([world.provide('one'), world.provide('two')]);
});
afterAll(() => world[Symbol.asyncDispose]());

test('the same table names hold other rows', async () => {
  for (const plugin of ['one', 'two']) {
    await world.run(plugin, 'create table users (id serial primary key, name text)');
    await world.run(plugin, 'insert into users (name) values ($1)', [plugin]);
  }
  expect((await one('select * from users')).rows).toEqual([['1', 'one']]);
  expect((await two('select * from plugin.users')).rows).toEqual([['1', 'two']]);
});

test('advisory locks are each one’s own', async () => {
  const options = { isolation: 'read committed', readOnly: false, timeoutMs: 60_000 } as const;
  const { caller } = testCaller({ plugin: 'one' });
  const transaction = await world.databases.begin(caller, options);
  await world.databases.run(caller, { sql: 'select pg_advisory_xact_lock(1)', params: [] }, transaction);
  expect((await one('select pg_try_advisory_lock(1)')).rows).toEqual([['f']]);
  expect((await two('select pg_try_advisory_lock(1)')).rows).toEqual([['t']]);
  await world.databases.rollback(caller, transaction);
});

test('catalogs show nobody else’s tables, comments or functions', async () => {
  await two('create table two_secret (a int)');
  await two("comment on table two_secret is 'hush'");
  for (const sql of [
    "select count(*) from pg_class where relname like 'two%'",
    "select count(*) from information_schema.tables where table_name like 'two%'",
    "select count(*) from pg_description where description = 'hush'",
    "select count(*) from pg_stat_user_tables where relname like 'two%'",
  ]) {
    expect((await one(sql)).rows, sql).toEqual([['0']]);
  }
});

test('what stays visible of others: how many roles there are, under names that tell nothing', async () => {
  const { rows } = await one(
    "select oid::regrole::text from generate_series(16384, 16384 + 100000) as oid where oid::regrole::text like 'ss%'",
  );
  for (const [name] of rows) expect(name).toMatch(/^ss_[0-9a-z]+_[0-9a-f]{16}$/);
});

test('many plugins at once each get their share of the connections', async () => {
  const plugins = Array.from({ length: 6 }, (_, at) => `crowd-${at}`);
  await Promise.all(plugins.map((plugin) => world.provide(plugin)));
  const calls = plugins.flatMap((plugin) =>
    Array.from({ length: 20 }, () => world.run(plugin, 'select current_user, pg_sleep(0.005)')),
  );
  const users = (await Promise.all(calls)).map(({ rows }) => rows[0]?.[0]);
  expect(new Set(users).size).toBe(plugins.length);
  for (const count of world.databases.connections().values()) expect(count).toBeLessThanOrEqual(4);
});
