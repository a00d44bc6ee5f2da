import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'bun:test';
import pg from 'pg';
import { inlineName, pendingMigrations, runMigrations } from '../../src/databases/migrations.ts';
import type { DbSocket } from '../../src/db/client.ts';
import { emptyDatabase, type TestDatabase } from '../kit/postgres.ts';

let database: TestDatabase;
let admin: pg.Client;
let session: pg.Client;
let count = 0;

beforeAll(async () => {
  database = await emptyDatabase();
  admin = await connect();
  await admin.query("create role migrating_plugin login password 'secret'");
});
afterAll(async () => {
  await session?.end();
  await admin?.query('drop schema if exists plugin cascade; drop role migrating_plugin');
  await admin?.end();
  await database?.drop();
});
beforeEach(async () => {
  await session?.end();
  await admin.query('drop schema if exists plugin cascade; create schema plugin authorization migrating_plugin');
  session = await connect({ user: 'migrating_plugin', password: 'secret', options: '-c search_path=plugin' });
});

async function connect(more: Partial<pg.ClientConfig> = {}): Promise<pg.Client> {
  const { socketDir, port, user, password, database: name } = database.address as DbSocket;
  const client = new pg.Client({ host: socketDir, port, user, password, database: name, ...more });
  await client.connect();
  return client;
}

const file = (sql: string, name = `${String(++count).padStart(4, '0')}_test.sql`) => ({ name, sql });
const tables = async (): Promise<string[]> => {
  const { rows } = await admin.query("select tablename from pg_tables where schemaname = 'plugin' order by 1");
  return rows.map(({ tablename }) => tablename).filter((name) => name !== 'streamspace_migrations');
};
/** The failure of a migration, which has to fail. */
async function failure(sql: string, name?: string) {
  const error = await runMigrations(session, [file(sql, name)]).then(
    () => null,
    (reason) => reason,
  );
  if (error === null) throw new Error(`it works: ${sql}`);
  return error;
}

describe('files run once', () => {
  test('in the order given, each with its record, and the next time only what is new', async () => {
    const first = file('create table a (x int); insert into a values (1), (2);');
    const second = file('alter table a add column y int not null default 7;');
    expect(await runMigrations(session, [first, second])).toEqual([first.name, second.name]);
    expect((await session.query('select x, y from a order by x')).rows).toEqual([
      { x: 1, y: 7 },
      { x: 2, y: 7 },
    ]);
    expect(await runMigrations(session, [first, second])).toEqual([]);
    const third = file('drop table a');
    expect((await pendingMigrations(session, [first, second, third])).map(({ name }) => name)).toEqual([third.name]);
    expect(await runMigrations(session, [first, second, third])).toEqual([third.name]);
    const { rows } = await session.query('select name, checksum from streamspace_migrations order by name');
    expect(rows.map(({ name }) => name)).toEqual([first.name, second.name, third.name]);
    expect(rows[0].checksum).toBe(new Bun.CryptoHasher('sha256').update(first.sql).digest('hex'));
  });

  test('no files: nothing is touched', async () => {
    expect(await runMigrations(session, [])).toEqual([]);
    expect((await admin.query("select from pg_tables where schemaname = 'plugin'")).rowCount).toBe(0);
  });

  test('one that has changed since is refused before anything runs', async () => {
    const first = file('create table a (x int)');
    await runMigrations(session, [first]);
    const changed = { ...first, sql: `${first.sql};` };
    const error = await runMigrations(session, [changed, file('create table b (x int)')]).catch((reason) => reason);
    expect(error).toMatchObject({ code: 'migration_changed', extra: { migration: first.name } });
    expect(error.message).toContain(`migrations/${first.name}`);
    expect(error.message).toContain('write a new file');
    expect(await tables()).toEqual(['a']);
  });

  test('a script of the guest is known by its text', async () => {
    const sql = 'create table if not exists a (x int)';
    expect(await runMigrations(session, [{ name: inlineName(sql), sql }])).toHaveLength(1);
    expect(await runMigrations(session, [{ name: inlineName(sql), sql }])).toEqual([]);
    const error = await failure('select 1/0', inlineName('select 1/0'));
    expect(error.message).toStartWith('database.migrate:1: division by zero');
  });
});

describe('one that fails leaves nothing of itself', () => {
  test('what ran before it stays, what comes after does not run', async () => {
    const files = [
      file('create table a (x int)'),
      file('create table b (x int); select 1/0;'),
      file('create table c ()'),
    ];
    await expect(runMigrations(session, files)).rejects.toMatchObject({ code: 'migration_failed' });
    expect(await tables()).toEqual(['a']);
    // The session is of use: nothing is open in it.
    const mended = [files[0] as (typeof files)[0], file('create table b (x int)'), file('create table c ()')];
    expect(await runMigrations(session, mended)).toHaveLength(2);
    expect(await tables()).toEqual(['a', 'b', 'c']);
  });

  const cases: [what: string, sql: string, line: number, sqlstate: string][] = [
    ['a wrong word', 'create table a (x int);\n\nselct 1;', 3, '42601'],
    [
      'a wrong column, within the statement',
      'create table a (x int);\ninsert into a\n  (x, y)\nvalues (1, 2);',
      3,
      '42703',
    ],
    ['after text of more than a byte a character', "select '𝄞ä';\nselect '𝄞ä\n', nothing;", 3, '42703'],
    ['a value that does not fit', 'create table a (x int);\n-- here\ninsert into a\nvalues (1/0);', 3, '22012'],
    ['a table that is there', 'create table a (x int);\n\n\ncreate table a (x int);', 4, '42P07'],
    [
      'rows that a constraint forbids',
      'create table a (x int);\ninsert into a values (1), (1);\nalter table a add unique (x);',
      3,
      '23505',
    ],
    [
      'an error in a function',
      'select 1;\ndo $$ begin\n raise exception $x$no$x$ using errcode = $e$SS123$e$;\nend $$',
      2,
      'SS123',
    ],
    ['more than the role may', '\ncreate schema other', 2, '42501'],
    ['what cannot be in a transaction', 'create table a (x int);\nvacuum a', 2, '25001'],
    ['rows from the client', 'create table a (x int);\ncopy a from stdin;\n1\n\\.', 2, '0A000'],
  ];
  test.each(cases)('%s: names file, line and SQLSTATE', async (_what, sql, line, sqlstate) => {
    const error = await failure(sql, '0042_wrong.sql');
    expect(error).toMatchObject({
      code: 'migration_failed',
      extra: { migration: '0042_wrong.sql', line, sqlstate },
    });
    expect(error.message).toStartWith(`migrations/0042_wrong.sql:${line}: `);
    expect(error.message).toContain(sqlstate);
    expect(await tables()).toEqual([]);
  });

  test('what Postgres adds is there, and long texts are cut', async () => {
    const sql = `do $$ begin raise exception '%', repeat('x', 100000) using detail = 'why', hint = 'how'; end $$`;
    const error = await failure(sql);
    expect(error.extra).toMatchObject({ detail: 'why', hint: 'how' });
    expect(error.message.length).toBeLessThan(1_200);
  });
});

describe('the transaction is not the script’s to end', () => {
  const enders = [
    'commit',
    'COMMIT AND CHAIN',
    'end',
    'rollback',
    'abort',
    'begin',
    'start transaction',
    'savepoint s',
    'release s',
    '/* well */ -- well\n commit',
    "prepare transaction 'p'",
    'do $$ begin commit; end $$',
    'create procedure p() language plpgsql as $$ begin commit; end $$; call p()',
    `do $$ begin execute 'commit'; end $$`,
  ];
  test.each(enders)('%s', async (ender) => {
    const error = await failure(`create table a (x int);\n${ender};\ncreate table b (x int);\nselect 1/0`);
    expect(error.code).toBe('migration_failed');
    expect(error.extra.sqlstate).not.toBe('22012');
    expect(await tables()).toEqual([]);
    expect((await session.query('select 1 as alive')).rows).toEqual([{ alive: 1 }]);
  });

  test('the error says it', async () => {
    const error = await failure('create table a (x int);\ncommit;');
    expect(error.message).toContain(':2: COMMIT has no place here');
  });
});

describe('a script harms no one but its own plugin', () => {
  test('settings of one file do not reach the next', async () => {
    const first = file(
      `select pg_catalog.set_config('search_path', '', false); set default_transaction_read_only = on;`,
    );
    const second = file('create table a (x int)');
    expect(await runMigrations(session, [first, second])).toHaveLength(2);
    expect(await tables()).toEqual(['a']);
  });

  test('rows that it selects go nowhere', async () => {
    const before = process.memoryUsage().rss;
    await runMigrations(session, [file(`select repeat('x', 100000000) from generate_series(1, 3)`)]);
    expect(process.memoryUsage().rss - before).toBeLessThan(200_000_000);
  });

  test('a table of records that lies is believed within bounds', async () => {
    const name = '0001_lied.sql';
    await session.query(`create view streamspace_migrations as
      select '${name}'::text as name, repeat('x', 1000000) as checksum from generate_series(1, 100000)`);
    const error = await runMigrations(session, [file('create table a (x int)', name)]).catch((reason) => reason);
    expect(error.code).toBe('migration_changed');
    expect(await tables()).toEqual([]);
  });
});
