import { afterAll, beforeAll, expect, test } from 'bun:test';
import { CORE_TABLES, LEFT_OUT, PLUGIN_TABLES } from '../../src/backup/core-tables.ts';
import { createSql, type Sql } from '../../src/db/sql.ts';
import { createLog } from '../../src/log.ts';
import { type TestDatabase, testDatabase } from '../kit/postgres.ts';

let database: TestDatabase;
let sql: Sql;
beforeAll(async () => {
  database = await testDatabase();
  sql = createSql({ address: database.address, max: 1, log: createLog('silent') });
});
afterAll(async () => {
  await sql?.end();
  await database?.drop();
});

test('every table is either in a backup, or left out with a reason (src/backup/core-tables.ts)', async () => {
  const rows = await sql.query<{ name: string }>(
    `select relname as name from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'p')`,
  );
  const decided = [...CORE_TABLES.map(({ name }) => name), ...Object.keys(LEFT_OUT)];
  expect(rows.map(({ name }) => name).sort()).toEqual(decided.sort());
});

test('the order meets every foreign key, and nothing in a backup refers to what is left out', async () => {
  const rows = await sql.query<{ table: string; refers: string }>(
    `select conrelid::regclass::text as table, confrelid::regclass::text as refers from pg_constraint
     where contype = 'f' and connamespace = 'public'::regnamespace`,
  );
  const at = (table: string) => CORE_TABLES.findIndex(({ name }) => name === table);
  const inBackup = rows.filter(({ table }) => at(table) >= 0);
  expect(inBackup.length).toBeGreaterThan(5);
  for (const { table, refers } of inBackup) {
    expect({ table, refers, isFirst: at(refers) >= 0 && at(refers) < at(table) }).toEqual({
      table,
      refers,
      isFirst: true,
    });
  }
});

test('the columns that are named are there', async () => {
  const rows = await sql.query<{ table: string; column: string }>(
    `select c.relname as table, a.attname as column from pg_class c join pg_attribute a on a.attrelid = c.oid
     where c.relnamespace = 'public'::regnamespace and a.attnum > 0`,
  );
  const columns = new Set(rows.map(({ table, column }) => `${table}.${column}`));
  for (const { name, plugin, as = {} } of CORE_TABLES) {
    for (const column of [...(plugin === null ? [] : [plugin]), ...Object.keys(as)])
      expect(columns).toContain(`${name}.${column}`);
  }
  for (const table of PLUGIN_TABLES) {
    const found = CORE_TABLES.find(({ name }) => name === table);
    expect(found?.plugin ?? found?.ofPlugin).toBeString();
  }
});
