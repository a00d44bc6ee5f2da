import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { CodedError } from '../../sandbox-apis/_kit/errors.ts';
import type { TransactionOptions } from '../../sandbox-apis/database/service.ts';
import { testCaller } from '../kit/caller.ts';
import { type TestDatabases, testDatabases } from '../kit/databases.ts';

const PLAIN: TransactionOptions = { isolation: 'read committed', readOnly: false, timeoutMs: 60_000 };
let world: TestDatabases;
const { caller } = testCaller({ plugin: 'plugin', isolate: 1 });
const run = (sql: string, transaction: number | null = null, params: readonly (string | null)[] = []) =>
  world.databases.run(caller, { sql, params }, transaction);
const rows = async (sql: string, transaction: number | null = null) => (await run(sql, transaction)).rows;

beforeAll(async () => {
  world = await testDatabases();
  await world.provide('plugin');
  await run('create table t (a int primary key)');
});
afterAll(() => world[Symbol.asyncDispose]());

test('what is committed stays, what is rolled back does not, and nobody sees it before', async () => {
  const kept = await world.databases.begin(caller, PLAIN);
  const undone = await world.databases.begin(caller, PLAIN);
  await run('insert into t values (1)', kept);
  await run('insert into t values (2)', undone);
  expect(await rows('select a from t', kept)).toEqual([['1']]);
  expect(await rows('select a from t')).toEqual([]);
  await world.databases.rollback(caller, undone);
  await world.databases.commit(caller, kept);
  expect(await rows('select a from t')).toEqual([['1']]);
});

test('isolation and read only are as asked', async () => {
  const options = { isolation: 'serializable', readOnly: true, timeoutMs: 60_000 } as const;
  const transaction = await world.databases.begin(caller, options);
  expect(await rows('show transaction_isolation', transaction)).toEqual([['serializable']]);
  await expect(run('insert into t values (9)', transaction)).rejects.toMatchObject({ extra: { sqlstate: '25006' } });
  await world.databases.rollback(caller, transaction);
});

test('statements that come at once are done in turn', async () => {
  const transaction = await world.databases.begin(caller, PLAIN);
  const inserts = Array.from({ length: 20 }, (_, at) =>
    run('insert into t values ($1)', transaction, [String(100 + at)]),
  );
  await Promise.all(inserts);
  expect(await rows('select count(*) from t where a >= 100', transaction)).toEqual([['20']]);
  await world.databases.rollback(caller, transaction);
});

test('after a failed statement nothing can be done in it but end it; the commit is an error', async () => {
  const transaction = await world.databases.begin(caller, PLAIN);
  await run('insert into t values (3)', transaction);
  await expect(run('select 1/0', transaction)).rejects.toMatchObject({ extra: { sqlstate: '22012' } });
  await expect(run('select 1', transaction)).rejects.toMatchObject({ extra: { sqlstate: '25P02' } });
  await expect(world.databases.commit(caller, transaction)).rejects.toMatchObject({
    code: 'database_error',
    extra: { sqlstate: '25P02' },
  });
  expect(await rows('select a from t where a = 3')).toEqual([]);
});

test('a savepoint undoes a part', async () => {
  const transaction = await world.databases.begin(caller, PLAIN);
  await run('savepoint here', transaction);
  await expect(run('select 1/0', transaction)).rejects.toThrow();
  await run('rollback to savepoint here', transaction);
  expect(await rows('select 1', transaction)).toEqual([['1']]);
  await world.databases.commit(caller, transaction);
});

test('a constraint that is checked at the end fails the commit', async () => {
  await run('create table child (a int references t deferrable initially deferred)');
  const transaction = await world.databases.begin(caller, PLAIN);
  await run('insert into child values (4711)', transaction);
  await expect(world.databases.commit(caller, transaction)).rejects.toMatchObject({ extra: { sqlstate: '23503' } });
  expect(await rows('select a from child')).toEqual([]);
});

describe('numbers', () => {
  test('are an isolate’s own: another cannot use them', async () => {
    const transaction = await world.databases.begin(caller, PLAIN);
    for (const other of [testCaller({ plugin: 'plugin', isolate: 2 }), testCaller({ plugin: 'other', isolate: 3 })]) {
      const attempt = world.databases.run(other.caller, { sql: 'select 1', params: [] }, transaction);
      await expect(attempt).rejects.toMatchObject({ code: 'transaction_over' });
    }
    await world.databases.rollback(caller, transaction);
    const another = testCaller({ plugin: 'plugin', isolate: 20 }).caller;
    expect(await world.databases.begin(another, PLAIN)).toBe(1);
    world.databases.onGone(20);
  });

  test('are over after the end, and when there never was one', async () => {
    const transaction = await world.databases.begin(caller, PLAIN);
    await world.databases.commit(caller, transaction);
    for (const over of [transaction, 4_711]) {
      await expect(run('select 1', over)).rejects.toMatchObject({ code: 'transaction_over' });
      await expect(world.databases.commit(caller, over)).rejects.toMatchObject({ code: 'transaction_over' });
      await expect(world.databases.rollback(caller, over)).rejects.toMatchObject({ code: 'transaction_over' });
    }
  });
});

describe('it ends by itself', () => {
  test('when its time is over, also in the middle of a statement', async () => {
    const transaction = await world.databases.begin(caller, { ...PLAIN, timeoutMs: 150 });
    await run('insert into t values (5)', transaction);
    await expect(run('select pg_sleep(100)', transaction)).rejects.toMatchObject({ code: 'transaction_over' });
    await expect(run('select 1', transaction)).rejects.toMatchObject({ code: 'transaction_over' });
    await expect(world.databases.commit(caller, transaction)).rejects.toMatchObject({ code: 'transaction_over' });
    expect(await rows('select a from t where a = 5')).toEqual([]);
  });

  test('when its isolate is gone, and its locks with it', async () => {
    const gone = testCaller({ plugin: 'plugin', isolate: 8 }).caller;
    const transaction = await world.databases.begin(gone, PLAIN);
    await world.databases.run(gone, { sql: 'lock table t', params: [] }, transaction);
    const waiting = run('insert into t values (6)');
    world.databases.onGone(8);
    await waiting;
    await expect(world.databases.commit(gone, transaction)).rejects.toMatchObject({ code: 'transaction_over' });
  });

  test('a statement whose call is over is cancelled, and the transaction can only be rolled back', async () => {
    const transaction = await world.databases.begin(caller, PLAIN);
    const call = testCaller({ plugin: 'plugin', isolate: 1 });
    const slow = world.databases
      .run(call.caller, { sql: 'select pg_sleep(100)', params: [] }, transaction)
      .catch((error: unknown) => error);
    call.abort(new CodedError('deadline_exceeded'));
    expect(await slow).toMatchObject({ code: 'deadline_exceeded' });
    await world.databases.rollback(caller, transaction);
  });
});

describe('few at a time', () => {
  test('others wait for a place, and short statements for none', async () => {
    const open = await Promise.all([1, 2, 3].map(() => world.databases.begin(caller, PLAIN)));
    const fourth = world.databases.begin(caller, PLAIN);
    expect(await rows('select 1')).toEqual([['1']]);
    const [first] = open;
    await world.databases.commit(caller, first as number);
    open.push(await fourth);
    for (const transaction of open.slice(1)) await world.databases.rollback(caller, transaction);
  });

  test('who waits is gone at its deadline', async () => {
    const open = await Promise.all([1, 2, 3].map(() => world.databases.begin(caller, PLAIN)));
    const late = testCaller({ plugin: 'plugin', isolate: 1 });
    const waiting = world.databases.begin(late.caller, PLAIN).catch((error: unknown) => error);
    late.abort(new CodedError('deadline_exceeded'));
    expect(await waiting).toMatchObject({ code: 'deadline_exceeded' });
    for (const transaction of open) await world.databases.rollback(caller, transaction);
    const transaction = await world.databases.begin(caller, PLAIN);
    await world.databases.rollback(caller, transaction);
  });
});

test('the guest cannot end it behind the back of the core', async () => {
  const transaction = await world.databases.begin(caller, PLAIN);
  for (const sql of ['commit', 'rollback', 'end', 'begin', 'abort', "prepare transaction 'x'"]) {
    await expect(run(sql, transaction)).rejects.toMatchObject({ code: 'invalid_input' });
  }
  await expect(run('do $$ begin commit; end $$', transaction)).rejects.toMatchObject({ extra: { sqlstate: '2D000' } });
  await world.databases.rollback(caller, transaction);
});
