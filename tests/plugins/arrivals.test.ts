import { afterAll, beforeAll, expect, test } from 'bun:test';
import { beginArrival, endArrival, unfinishedArrivals } from '../../src/plugins/arrivals.ts';
import { type TestDatabase, testDatabase } from '../kit/postgres.ts';

// tests/flows/kills.test.ts has the crashes that this is for.

let database: TestDatabase;

beforeAll(async () => {
  database = await testDatabase();
});
afterAll(() => database?.drop());

const end = (name: string) => database.db.transaction().execute((trx) => endArrival(trx, name));

test('what has begun is found until it ends, and whoever ends it twice is told', async () => {
  const { db } = database;
  await beginArrival(db, { name: 'first', keepsData: false });
  await beginArrival(db, { name: 'second', keepsData: true });
  expect(await unfinishedArrivals(db, 'second')).toEqual([{ name: 'second', keepsData: true }]);
  expect(await unfinishedArrivals(db, 'third')).toEqual([]);
  expect(await end('first')).toBe(true);
  expect(await end('first')).toBe(false);
  expect(await unfinishedArrivals(db)).toEqual([{ name: 'second', keepsData: true }]);
});

test('an end that is rolled back is none', async () => {
  const { db } = database;
  const failing = db.transaction().execute(async (trx) => {
    await endArrival(trx, 'second');
    throw new Error('no');
  });
  await expect(failing).rejects.toThrow('no');
  expect(await unfinishedArrivals(db)).toHaveLength(1);
});
