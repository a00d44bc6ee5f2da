import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { CodedError } from '../../sandbox-apis/_kit/errors.ts';
import { createSql } from '../../src/db/sql.ts';
import { createLog } from '../../src/log.ts';
import { testCaller } from '../kit/caller.ts';
import { type TestDatabases, testDatabases } from '../kit/databases.ts';
import { until } from '../kit/until.ts';

let world: TestDatabases;
let admin: ReturnType<typeof createSql>;
const run = (sql: string, params: readonly (string | null)[] = []) => world.run('plugin', sql, params);
/** The refusal of a statement. */
async function refusal(sql: string, params: readonly (string | null)[] = []): Promise<CodedError> {
  const error = await run(sql, params).then(
    () => null,
    (thrown: unknown) => thrown,
  );
  expect(error, sql).toBeInstanceOf(CodedError);
  return error as CodedError;
}

beforeAll(async () => {
  world = await testDatabases();
  admin = createSql({ address: world.core.address, max: 1, log: createLog('silent') });
  await world.provide('plugin');
});
afterAll(async () => {
  await admin.end();
  await world[Symbol.asyncDispose]();
});

describe('results', () => {
  test('are text, with the types that they have', async () => {
    const sql = `select 1::int4 as i, 9007199254740993::int8 as l, 1.10::numeric as n, true as b, null as z,
      '2026-11-21 10:00:00.123456+02'::timestamptz as t, '1 day 2 hours'::interval as v, '\\xff00'::bytea as y, '{"a":1}'::jsonb as j`;
    const { columns, rows, count, command } = await run(sql);
    expect(columns.map(({ type }) => type)).toEqual([23, 20, 1700, 16, 25, 1184, 1186, 17, 3802]);
    expect(rows).toEqual([
      ['1', '9007199254740993', '1.10', 't', null, '2026-11-21 08:00:00.123456+00', 'P1DT2H', '\\xff00', '{"a": 1}'],
    ]);
    expect([count, command]).toEqual([1, 'SELECT']);
  });

  test('tell what arrays are of, those of own types too', async () => {
    await run("create type mood as enum ('sad', 'glad')");
    await run('create domain numbers as int4[]');
    const { columns, rows } = await run(
      "select '{1,2}'::int4[] as a, '{glad}'::mood[] as m, 'sad'::mood as o, '{3}'::numbers as d, '(1,2)'::point as p, '{(1,1),(0,0)}'::box[] as x, '1 2'::int2vector as v",
    );
    const mood = Number((await run("select 'mood'::regtype::oid")).rows[0]?.[0]);
    expect(columns.map(({ element }) => element)).toEqual([23, mood, undefined, 23, undefined, undefined, undefined]);
    expect(rows[0]?.slice(0, 2)).toEqual(['{1,2}', '{glad}']);
  });

  test('count what a statement touched, and name it', async () => {
    expect(await run('create table counted (id int primary key, v text)')).toMatchObject({
      columns: [],
      rows: [],
      count: 0,
      command: 'CREATE TABLE',
    });
    expect(await run("insert into counted select g, 'x' from generate_series(1, 5) g")).toMatchObject({
      count: 5,
      command: 'INSERT',
    });
    expect(await run('update counted set v = $1 where id > $2 returning id', [null, '3'])).toMatchObject({
      rows: [['4'], ['5']],
      count: 2,
      command: 'UPDATE',
    });
    expect(await run('')).toMatchObject({ rows: [], count: 0, command: '' });
  });
});

describe('errors', () => {
  test('say what Postgres says of the statement', async () => {
    await run('create table strict (id int primary key, n int check (n > 0))');
    await run('insert into strict values (1, 1)');
    expect((await refusal('insert into strict values (1, 2)')).extra).toEqual({
      sqlstate: '23505',
      detail: 'Key (id)=(1) already exists.',
      schema: 'plugin',
      table: 'strict',
      constraint: 'strict_pkey',
    });
    const syntax = await refusal('select * frm strict');
    expect(syntax).toMatchObject({ code: 'database_error', extra: { sqlstate: '42601', position: 10 } });
    expect(await refusal('select $1::int', ['x'])).toMatchObject({ extra: { sqlstate: '22P02' } });
  });

  test('tell nothing of the server', async () => {
    const texts = [
      await refusal('create schema mine'),
      await refusal('create temporary table t (a int)'),
      await refusal("select pg_read_file('/etc/passwd')"),
      await refusal("select lo_import('/etc/passwd')"),
      await refusal("load '/tmp/evil.so'"),
      await refusal("do $$ begin raise exception 'it %', repeat('long ', 10000); end $$"),
    ].map(({ message, extra }) => JSON.stringify([message, extra]));
    for (const text of texts) {
      expect(text).not.toMatch(/ss_[0-9a-z]+_/);
      expect(text).not.toMatch(/\/work|\/tmp\/stream|postgres\/data/);
      expect(text.length).toBeLessThan(5_000);
    }
  });

  test('of serialization and deadlock may be tried again', async () => {
    const { extra } = await refusal("do $$ begin raise exception 'x' using errcode = '40001'; end $$");
    expect(extra).toMatchObject({ sqlstate: '40001', retryable: true });
  });

  test('of a lost connection are passing, and the next statement has another', async () => {
    const hit = refusal('select pg_sleep(100)');
    const victim = "select pg_terminate_backend(pid) from pg_stat_activity where query = 'select pg_sleep(100)'";
    await until(async () => (await admin.query(victim)).length === 1, 'the statement runs');
    expect(await hit).toMatchObject({ code: 'database_unavailable', extra: { retryable: true } });
    expect((await run('select 1')).rows).toEqual([['1']]);
  });
});

describe('what is refused', () => {
  test('several statements in one, COPY in any form, and what ends or begins a transaction', async () => {
    expect(await refusal('select 1; select 2')).toMatchObject({ extra: { sqlstate: '42601' } });
    for (const sql of ['copy (select 1) to stdout', '/* a */ -- b\n copy t from stdin', 'BEGIN', 'start transaction']) {
      expect((await refusal(sql)).code, sql).toBe('invalid_input');
    }
    for (const sql of ['commit', 'rollback', 'savepoint a', "prepare transaction 'x'"]) {
      expect((await refusal(sql)).code, sql).toBe('invalid_input');
    }
    expect((await run('prepare p as select 1')).command).toBe('PREPARE');
  });

  test('results over a limit: one value, many rows, many notices, a long error', async () => {
    const before = process.memoryUsage().rss;
    for (const [sql, code] of [
      ["select repeat('x', 50000000)", 'database_result_too_large'],
      ["select repeat('x', 1000) from generate_series(1, 50000)", 'database_result_too_large'],
      ['select from generate_series(1, 1000000)', 'database_result_too_large'],
      [
        "do $$ begin set client_min_messages = notice; loop raise notice '%', repeat('n', 1000); end loop; end $$",
        'database_result_too_large',
      ],
      ["do $$ begin raise exception '%', repeat('e', 3000000); end $$", 'database_result_too_large'],
    ] as const) {
      expect((await refusal(sql)).code, sql).toBe(code);
    }
    expect(process.memoryUsage().rss - before).toBeLessThan(150_000_000);
  });

  test('too many rows that a write would give, and the write with them', async () => {
    await run('create table many (a int)');
    const insert = 'insert into many select g from generate_series(1, 460000) g returning 1 as a';
    expect((await refusal(insert)).code).toBe('database_result_too_large');
    expect((await run('select count(*) from many')).rows).toEqual([['0']]);
  });

  test('memory beyond bounds, whatever work_mem says', async () => {
    const sort = `do $$ begin set work_mem = '10GB'; perform count(*) from
      (select repeat('x', 1000) || g as v from generate_series(1, 2000000) g order by v desc offset 1) s; end $$`;
    expect(await refusal(sort)).toMatchObject({ code: 'database_error', extra: { sqlstate: '53200' } });
    expect((await run('select 1')).rows).toEqual([['1']]);
  });

  test('thousands of locks', async () => {
    const grab = 'do $$ begin for i in 1..100000000 loop perform pg_advisory_lock(i); end loop; end $$';
    expect(await refusal(grab)).toMatchObject({ code: 'database_error', extra: { sqlstate: '53400' } });
  });
});

describe('a statement is cancelled', () => {
  const running = (sql: string) =>
    admin.query('select 1 from pg_stat_activity where query = $1 and state = $2', [sql, 'active']);

  test.each([
    ['as it is', 'select pg_sleep(1000)'],
    ['without a timeout of its own', 'do $$ begin set statement_timeout = 0; perform pg_sleep(1001); end $$'],
    [
      'that does not want to',
      'do $$ begin loop begin perform pg_sleep(1002); exception when query_canceled then null; end; end loop; end $$',
    ],
  ])('%s', async (_what, sql) => {
    const { caller, abort } = testCaller({ plugin: 'plugin' });
    const outcome = world.databases.run(caller, { sql, params: [] }, null).catch((error: unknown) => error);
    await until(async () => (await running(sql)).length === 1, 'the statement runs');
    abort(new CodedError('deadline_exceeded'));
    expect(await outcome).toMatchObject({ code: 'deadline_exceeded' });
    await until(async () => (await running(sql)).length === 0, 'the server has ended it');
  });

  test('when its isolate is gone', async () => {
    const sql = 'select pg_sleep(1003)';
    const { caller } = testCaller({ plugin: 'plugin', isolate: 41 });
    const outcome = world.databases.run(caller, { sql, params: [] }, null).catch((error: unknown) => error);
    await until(async () => (await running(sql)).length === 1, 'the statement runs');
    world.databases.onGone(41);
    expect(await outcome).toMatchObject({ code: 'aborted' });
  });

  test('while it waits for a connection', async () => {
    const busy = [1, 2, 3, 4].map(() => testCaller({ plugin: 'plugin' }));
    const taken = busy.map(({ caller }) =>
      world.databases.run(caller, { sql: 'select pg_sleep(1004)', params: [] }, null).catch(() => null),
    );
    await until(async () => (await running('select pg_sleep(1004)')).length === 4, 'all connections are taken');
    const { caller, abort } = testCaller({ plugin: 'plugin' });
    const waiting = world.databases.run(caller, { sql: 'select 1', params: [] }, null).catch((error: unknown) => error);
    abort(new CodedError('deadline_exceeded'));
    expect(await waiting).toMatchObject({ code: 'deadline_exceeded' });
    for (const { abort: end } of busy) end(new CodedError('aborted'));
    await Promise.all(taken);
    expect((await run('select 1')).rows).toEqual([['1']]);
  });
});

test('nothing of a use is left for the next: settings, prepared statements, cursors, locks, channels', async () => {
  const settings =
    "select current_setting('statement_timeout'), current_setting('search_path'), current_setting('my.own', true)";
  const { rows } = await run(settings);
  await run('set statement_timeout = 1234');
  await run('set search_path = pg_catalog');
  await run("select set_config('my.own', 'x', false)");
  await run('prepare mine as select 1');
  await run("do $$ begin execute 'declare c cursor with hold for select 1'; commit; end $$");
  await run('select pg_advisory_lock(7)');
  await run('listen channel');
  const left = "select name from pg_prepared_statements union select name from pg_cursors where name <> ''";
  for (let i = 0; i < 5; i++) {
    expect((await run(settings)).rows[0]?.slice(0, 2)).toEqual(rows[0]?.slice(0, 2));
    expect((await run(settings)).rows[0]?.[2] || null).toBeNull();
    expect((await run(left)).rows).toBeEmpty();
    expect(await refusal('execute mine')).toMatchObject({ extra: { sqlstate: '26000' } });
  }
  expect(await admin.query("select 1 from pg_locks where locktype = 'advisory' and objid = 7")).toBeEmpty();
});

test('notifications reach nobody', async () => {
  await run('listen loud');
  await run("notify loud, 'hello'");
  expect((await run('select 1')).rows).toEqual([['1']]);
});

describe('migrate', () => {
  test('runs a script once, as the plugin, together with its record', async () => {
    const { caller } = testCaller({ plugin: 'plugin' });
    const script = 'create table made (a int); insert into made values (1); insert into made values (2)';
    expect(await Promise.all([1, 2].map(() => world.databases.migrate(caller, script)))).toContain(true);
    expect(await world.databases.migrate(caller, script)).toBe(false);
    expect((await run('select a from made order by a')).rows).toEqual([['1'], ['2']]);
    const owner = "select tableowner = current_user from pg_tables where tablename = 'made'";
    expect((await run(owner)).rows).toEqual([['t']]);
  });

  test('does all of it or nothing, and ends with its call', async () => {
    const { caller, abort } = testCaller({ plugin: 'plugin' });
    await expect(world.databases.migrate(caller, 'create table half (a int); select 1/0')).rejects.toMatchObject({
      code: 'migration_failed',
    });
    expect((await run("select to_regclass('half')")).rows).toEqual([[null]]);
    const slow = world.databases.migrate(caller, 'select pg_sleep(1005)').catch((error: unknown) => error);
    const runs =
      "select 1 from pg_stat_activity where query like '%pg_sleep(1005)%' and state = 'active' and pid <> pg_backend_pid()";
    await until(async () => (await admin.query(runs)).length === 1, 'the script runs');
    abort(new CodedError('deadline_exceeded'));
    expect(await slow).toMatchObject({ code: 'deadline_exceeded' });
  });
});
