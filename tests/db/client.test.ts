import { afterAll, beforeAll, expect, test } from 'bun:test';
import { sql } from 'kysely';
import { closeDb, createDb } from '../../src/db/client.ts';
import { createLog } from '../../src/log.ts';
import { type TestDatabase, testDatabase } from '../kit/postgres.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await testDatabase();
});
afterAll(() => database.drop());

async function one(expression: ReturnType<typeof sql>): Promise<unknown> {
  const { rows } = await sql<{ value: unknown }>`select ${expression} as value`.execute(database.db);
  return rows[0]?.value;
}

test('bigint is a number, date and numeric strings, timestamptz a Date, bytea bytes', async () => {
  expect(await one(sql`9007199254740991::bigint`)).toBe(Number.MAX_SAFE_INTEGER);
  expect(await one(sql`${7}::bigint + 1`)).toBe(8);
  expect(await one(sql`array[1, 2]::bigint[]`)).toEqual([1, 2]);
  expect(await one(sql`'2026-01-02'::date`)).toBe('2026-01-02');
  expect(await one(sql`1.10::numeric`)).toBe('1.10');
  expect(await one(sql`'2026-01-02 03:04:05.678+00'::timestamptz`)).toEqual(new Date('2026-01-02T03:04:05.678Z'));
  expect(await one(sql`${new Uint8Array([0, 255])}::bytea`)).toEqual(Buffer.from([0, 255]));
});

test.each([[{ a: [1, null, 'x'] }], [['a', 1]], [[]], ['text'], ['"quoted"'], [true], [false], [0], [null]])(
  'JSON text comes back as the value: %j',
  async (value) => {
    expect(await one(sql`${JSON.stringify(value)}::jsonb`)).toEqual(value);
  },
);

test('an object may be passed to JSON as it is', async () => {
  expect(await one(sql`${{ a: [1] }}::jsonb`)).toEqual({ a: [1] });
});

test('text arrays keep every character', async () => {
  const texts = ['', 'a,b', '"', '\\', '{}', 'null', 'é'];
  expect(await one(sql`${texts}::text[]`)).toEqual(texts);
  expect(await one(sql`${[]}::text[]`)).toEqual([]);
});

test('a transaction that throws leaves nothing', async () => {
  const { db } = database;
  const failing = db.transaction().execute(async (trx) => {
    await trx.insertInto('users').values({ email: 'gone@example.com', name: 'Gone' }).execute();
    throw new Error('stop');
  });
  expect(failing).rejects.toThrow('stop');
  await failing.catch(() => undefined);
  expect(await db.selectFrom('users').selectAll().where('email', '=', 'gone@example.com').execute()).toEqual([]);
});

test('a failing statement is logged without its values', async () => {
  const lines: string[] = [];
  const log = createLog('trace', { write: (line) => void lines.push(line) });
  const db = createDb({ address: database.address, max: 1, log });
  const user = { email: 'hunter2@example.com', name: 'hunter2' };
  await db.insertInto('users').values(user).execute();
  const again = db.insertInto('users').values(user).execute();
  await expect(again).rejects.toMatchObject({ code: '23505' });
  expect(lines.join('')).toContain('insert into');
  expect(lines.join('')).toContain('23505');
  expect(lines.join('')).not.toContain('hunter2');
  await closeDb(db);
});

test('closeDb ends the connections', async () => {
  const mark = "application_name = 'streamspace' and datname = current_database() and pid <> pg_backend_pid()";
  const db = createDb({ address: database.address, max: 3, log: createLog('silent') });
  await Promise.all([1, 2, 3].map(() => sql`select pg_sleep(0.01)`.execute(db)));
  const count = () => one(sql`(select count(*) from pg_stat_activity where ${sql.raw(mark)})`);
  const before = Number(await count());
  expect(before).toBeGreaterThanOrEqual(3);
  await closeDb(db);
  let now = before;
  // The server notices a moment later.
  for (let tries = 0; tries < 500 && now > before - 3; tries++) now = Number(await count());
  expect(now).toBeLessThanOrEqual(before - 3);
});
