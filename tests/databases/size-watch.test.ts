import { afterAll, beforeAll, expect, test } from 'bun:test';
import { type TestDatabases, testDatabases } from '../kit/databases.ts';
import { until } from '../kit/until.ts';

const MIB = 1024 * 1024;
let quota = 1024 * MIB;
let world: TestDatabases;
const run = (sql: string) => world.run('plugin', sql);
const refused = (sql: string) =>
  run(sql).then(
    () => null,
    (error: unknown) => error,
  );

beforeAll(async () => {
  world = await testDatabases({ quotaOf: () => quota });
  await world.provide('plugin');
  await run('create table t (a int, v text)');
  await run("insert into t select 1, repeat('x', 1000) from generate_series(1, 5000)");
});
afterAll(() => world[Symbol.asyncDispose]());

const isOver = () => until(async () => (await refused('insert into t values (1)')) !== null, 'it is known to be over');
const isUnder = () =>
  until(async () => (await refused('insert into t values (1)')) === null, 'it is known to be under');
const QUOTA = { code: 'quota_exceeded', extra: { limit: 'databaseBytes' } };

test('what runs is cancelled when it goes over the quota', async () => {
  quota = 40 * MIB;
  const begun = performance.now();
  const endless = "insert into t select 2 + 0 * generate_series(1, 100000000), repeat('x', 1000)";
  expect(await refused(endless)).toMatchObject(QUOTA);
  expect(performance.now() - begun).toBeLessThan(10_000);
});

test('over it, what could grow is refused; the rest goes on', async () => {
  await isOver();
  for (const sql of [
    'insert into t values (1)',
    'update t set a = 2',
    'create table u (a int)',
    'create index on t (a)',
    'select 1 as a into u',
    'with x as (insert into t values (1) returning a) select a from x',
    "do $$ begin insert into t values (1, 'x'); end $$",
  ]) {
    expect(await refused(sql), sql).toMatchObject({ ...QUOTA, extra: { limit: 'databaseBytes', max: quota } });
  }
  expect((await run('select count(*) from t where a = 1')).rows).toEqual([['5000']]);
  expect((await run('delete from t where a = 2')).command).toBe('DELETE');
  expect((await run('vacuum t')).command).toBe('VACUUM');
  expect((await run('vacuum full t')).command).toBe('VACUUM');
  await isUnder();
});

test('what only seems to shrink or to read is stopped too, and then Postgres keeps it from writing', async () => {
  quota = 1024 * MIB;
  await isUnder();
  await run('create table bait (a int)');
  await run('insert into bait select g from generate_series(1, 1000) g');
  await run(`create function fatten() returns trigger language plpgsql as $$ begin
    insert into t select 3, repeat('x', 1000) from generate_series(1, 1000); return old; end $$`);
  await run('create trigger fatten after delete on bait for each row execute function fatten()');
  await run(`create function grow() returns int language plpgsql as $$ begin
    insert into t values (4, 'x'); return 1; end $$`);
  quota = 10 * MIB;
  await isOver();
  expect((await run('select grow()')).rows).toEqual([['1']]);
  expect(await refused('delete from bait')).toMatchObject(QUOTA);
  await until(async () => (await refused('delete from bait where a = 1')) !== null, 'deletes are refused');
  expect(await refused('select grow()')).toMatchObject({ extra: { sqlstate: '25006' } });
  expect((await run('select count(*) from bait')).rows).toEqual([['1000']]);
  await run('drop table t cascade');
  await isUnderAfterDrop();
});

async function isUnderAfterDrop() {
  quota = 1024 * MIB;
  await until(async () => (await refused('create table t (a int, v text)')) === null, 'it is known to be under');
}
