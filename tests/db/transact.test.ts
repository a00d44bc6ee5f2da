import { afterAll, beforeAll, expect, test } from 'bun:test';
import { sql } from 'kysely';
import type { Db } from '../../src/db/client.ts';
import { transact } from '../../src/db/transact.ts';
import { type TestDatabase, testDatabase } from '../kit/postgres.ts';

let database: TestDatabase;
let db: Db;

beforeAll(async () => {
  database = await testDatabase();
  ({ db } = database);
  await sql`create table marks (name text)`.execute(db);
  // Ends the connection in the middle of the commit.
  await sql`create function die() returns trigger language plpgsql as $$
    begin perform pg_terminate_backend(pg_backend_pid()); return null; end $$`.execute(db);
  await sql`create constraint trigger die after insert on marks deferrable initially deferred for each row
    when (new.name = 'dies') execute function die()`.execute(db);
});
afterAll(() => database?.drop());

const mark = (name: string) => (trx: Db) => sql`insert into marks values (${name})`.execute(trx).then(() => name);
const marks = async () =>
  (await sql<{ name: string }>`select name from marks order by 1`.execute(db)).rows.map((row) => row.name);

/** The same database, but the answer to each commit is lost on its way. */
function lossy(): Db {
  const transaction = () => ({
    execute: async (work: (trx: Db) => Promise<unknown>) => {
      await db.transaction().execute(work);
      throw new Error('Connection terminated unexpectedly');
    },
  });
  return new Proxy(db, {
    get: (target, key) => {
      const value = key === 'transaction' ? transaction : Reflect.get(target, key);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}

test('it answers what the work answers', async () => {
  expect(await transact(db, mark('plain'))).toBe('plain');
  expect(await marks()).toEqual(['plain']);
});

test('a failure of the work is its failure, and nothing is written', async () => {
  const failing = transact(db, async (trx) => {
    await mark('failing')(trx);
    throw new Error('no');
  });
  await expect(failing).rejects.toThrow('no');
  expect(await marks()).toEqual(['plain']);
});

test('one that makes way for another is run anew', async () => {
  await sql`insert into marks values ('a'), ('b')`.execute(db);
  const touch = (trx: Db, name: string) => sql`update marks set name = name where name = ${name}`.execute(trx);
  const [first, second] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  let runs = 0;
  const crossing = (from: string, to: string, mine: () => void, theirs: Promise<void>) =>
    transact(db, async (trx) => {
      runs += 1;
      await touch(trx, from);
      mine();
      await theirs;
      await touch(trx, to);
      return from;
    });
  const both = [crossing('a', 'b', first.resolve, second.promise), crossing('b', 'a', second.resolve, first.promise)];
  expect(await Promise.all(both)).toEqual(['a', 'b']);
  // On a busy machine the two may cross once more.
  expect(runs).toBeGreaterThanOrEqual(3);
  await sql`delete from marks where name in ('a', 'b')`.execute(db);
});

test('a connection that is lost before the commit took place is a failure', async () => {
  await expect(transact(db, mark('dies'))).rejects.toThrow();
  expect(await marks()).toEqual(['plain']);
});

test('one that is lost after it is none', async () => {
  expect(await transact(lossy(), mark('kept'))).toBe('kept');
  expect(await marks()).toEqual(['kept', 'plain']);
});
