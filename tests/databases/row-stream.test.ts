import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { createSql } from '../../src/db/sql.ts';
import { createLog } from '../../src/log.ts';
import { testCaller } from '../kit/caller.ts';
import { type TestDatabases, testDatabases } from '../kit/databases.ts';
import { until } from '../kit/until.ts';

let world: TestDatabases;
let admin: ReturnType<typeof createSql>;
const { caller } = testCaller({ plugin: 'plugin', isolate: 1 });
const stream = (sql: string, transaction: number | null = null) =>
  world.databases.stream(caller, { sql, params: [] }, transaction);
const run = (sql: string, transaction: number | null = null) =>
  world.databases.run(caller, { sql, params: [] }, transaction);
/** All rows, and the size of the largest chunk. */
async function read(
  rows: ReadableStream<Uint8Array>,
): Promise<{ readonly all: unknown[][]; readonly largest: number }> {
  const all: unknown[][] = [];
  let largest = 0;
  for await (const chunk of rows) {
    largest = Math.max(largest, chunk.length);
    for (const line of Buffer.from(chunk).toString().split('\n')) if (line !== '') all.push(JSON.parse(line));
  }
  return { all, largest };
}
const open = () =>
  admin.query("select 1 from pg_stat_activity where state <> 'idle' and application_name = 'streamspace-plugin'");

beforeAll(async () => {
  world = await testDatabases();
  admin = createSql({ address: world.core.address, max: 1, log: createLog('silent') });
  await world.provide('plugin');
  await run("create table t as select g as id, repeat('x', 200) as v from generate_series(1, 20000) g");
});
afterAll(async () => {
  await admin.end();
  await world[Symbol.asyncDispose]();
});

test('gives all rows as lines of JSON, a part at a time', async () => {
  const { columns, rows } = await stream('select id, null as n, v from t order by id');
  expect(columns.map(({ name, type }) => [name, type])).toEqual([
    ['id', 23],
    ['n', 25],
    ['v', 25],
  ]);
  const { all, largest } = await read(rows);
  expect(all.length).toBe(20_000);
  expect(all[19_999]).toEqual(['20000', null, 'x'.repeat(200)]);
  expect(largest).toBeLessThan(512 * 1024);
  expect(await open()).toBeEmpty();
});

test('an empty result, and a statement without rows', async () => {
  expect((await read((await stream('select id from t where false')).rows)).all).toEqual([]);
  await run('create table made (a int)');
  const { columns, rows } = await stream('insert into made values (1)');
  expect(columns).toEqual([]);
  expect((await read(rows)).all).toEqual([]);
  expect((await run('select a from made')).rows).toEqual([['1']]);
});

test('nothing is read ahead of the reader', async () => {
  const { rows } = await stream("select repeat('x', 100000) from generate_series(1, 100000)");
  const before = process.memoryUsage().rss;
  const reader = rows.getReader();
  for (let i = 0; i < 20; i++) await reader.read();
  expect(process.memoryUsage().rss - before).toBeLessThan(100_000_000);
  await reader.cancel();
  await until(async () => (await open()).length === 0, 'the statement has ended');
});

test('what is cancelled leaves nothing of what it did', async () => {
  await run('create table tried (a int)');
  const { rows } = await stream('insert into tried select g from generate_series(1, 1000) g returning a');
  const reader = rows.getReader();
  await reader.read();
  await reader.cancel();
  expect((await run('select count(*) from tried')).rows).toEqual([['0']]);
  await read((await stream('insert into tried select g from generate_series(1, 1000) g returning a')).rows);
  expect((await run('select count(*) from tried')).rows).toEqual([['1000']]);
});

test('an error in the middle reaches the reader', async () => {
  const { rows } = await stream('select 1 / (5000 - id) from t');
  await expect(read(rows)).rejects.toMatchObject({ code: 'database_error', extra: { sqlstate: '22012' } });
  await until(async () => (await open()).length === 0, 'the transaction has ended');
});

test('a row that nobody could hold ends it', async () => {
  const { rows } = await stream("select repeat('x', 9000000)");
  await expect(read(rows)).rejects.toMatchObject({ code: 'database_result_too_large' });
});

test('ends with its isolate', async () => {
  const gone = testCaller({ plugin: 'plugin', isolate: 9 }).caller;
  const { rows } = await world.databases.stream(gone, { sql: 'select id from t', params: [] }, null);
  const reader = rows.getReader();
  await reader.read();
  world.databases.onGone(9);
  await until(async () => (await open()).length === 0, 'the transaction has ended');
  await expect(reader.read()).rejects.toMatchObject({ code: 'transaction_over' });
});

describe('in a transaction', () => {
  const options = { isolation: 'read committed', readOnly: false, timeoutMs: 60_000 } as const;

  test('other statements run between its parts', async () => {
    const transaction = await world.databases.begin(caller, options);
    const { rows } = await stream('select id from t order by id', transaction);
    const reader = rows.getReader();
    await reader.read();
    expect((await run('select count(*) from t', transaction)).rows).toEqual([['20000']]);
    const second = await read((await stream('select 1 as one', transaction)).rows);
    expect(second.all).toEqual([['1']]);
    await reader.read();
    await reader.cancel();
    expect((await run('select 2', transaction)).rows).toEqual([['2']]);
    await world.databases.commit(caller, transaction);
  });

  test('is over with it', async () => {
    const transaction = await world.databases.begin(caller, options);
    const { rows } = await stream('select id from t', transaction);
    const reader = rows.getReader();
    await reader.read();
    await world.databases.commit(caller, transaction);
    await expect(reader.read()).rejects.toMatchObject({ code: 'transaction_over' });
  });
});
