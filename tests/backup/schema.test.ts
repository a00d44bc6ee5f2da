import { expect, setDefaultTimeout, test } from 'bun:test';
import { join } from 'node:path';
import { Clock, copyIn } from '../../src/backup/copy.ts';
import { PluginDataReader, writePluginData } from '../../src/backup/plugin-data.ts';
import { differences } from '../../src/backup/schema/compare.ts';
import { beginDump, readSchema } from '../../src/backup/schema/dump.ts';
import { SchemaMaker } from '../../src/backup/schema/make.ts';
import type { SchemaStatement } from '../../src/backup/schema/statement.ts';
import { sections } from '../../src/backup/sections.ts';
import { archiveOf, contentOf, open, refusal } from './archives.ts';
import { type PluginSchema, pluginSchema } from './plugin-schema.ts';

setDefaultTimeout(60_000);

async function backupOf(schema: PluginSchema): Promise<Buffer> {
  const session = await schema.connect();
  return archiveOf(async (archive) => {
    await writePluginData(session, 'rich', archive);
    await archive.finish();
  });
}

async function restoreInto(schema: PluginSchema, file: Buffer): Promise<void> {
  const reader = await open(file);
  const data = new PluginDataReader(await schema.connect(), 'rich');
  for await (const section of sections(reader.parts())) await data.take(section);
  await data.finish(true);
  data.checkRows(reader.end.rows);
  expect(() => data.checkRows({ ...reader.end.rows, 'plugins/rich/rows/00001': 1 })).toThrow('rows');
}

async function statementsOf(schema: PluginSchema): Promise<SchemaStatement[]> {
  const session = await schema.connect();
  try {
    await beginDump(session);
    return await readSchema(session);
  } finally {
    await session.end();
  }
}

/** What a backup holds besides the schema, by the names of the tables and sequences: their order may be another. */
async function dataOf(file: Buffer): Promise<Record<string, unknown>> {
  const content = await contentOf(file);
  const tables = JSON.parse(content.get('plugins/rich/tables') ?? '') as { table: string; columns: string[] }[];
  const sequences = JSON.parse(content.get('plugins/rich/sequences') ?? '') as { sequence: string }[];
  const rows = tables.map(({ table, columns }, index): [string, unknown] => [
    table,
    { columns, rows: content.get(`plugins/rich/rows/${String(index + 1).padStart(5, '0')}`) ?? '' },
  ]);
  return { ...Object.fromEntries(rows), ...Object.fromEntries(sequences.map((one) => [`seq ${one.sequence}`, one])) };
}

test('a schema with everything in it comes back as it was, rows and all', async () => {
  await using before = await pluginSchema();
  await using after = await pluginSchema();
  await before.run(await Bun.file(join(import.meta.dir, 'rich-schema.sql')).text());
  const file = await backupOf(before);
  await restoreInto(after, file);
  expect(await dataOf(await backupOf(after))).toEqual(await dataOf(file));

  const [one, other] = [await statementsOf(before), await statementsOf(after)];
  // All but a check whose text Postgres changes when it reads its own.
  const texts = (statements: SchemaStatement[]) =>
    statements
      .map(({ kind, name, sql }) => `${kind} ${name}: ${sql}`)
      .filter((text) => !text.includes('kinds_code_check'));
  expect(texts(other).sort()).toEqual(texts(one).sort());
  expect(differences(one, other, true)).toEqual([]);
  expect(new Set(one.map(({ kind }) => kind)).size).toBeGreaterThan(25);
  // What did not fire while the rows were copied does so again.
  const fired = await refusal(after.run(`insert into kinds (code) values ('zzz')`));
  expect(fired.message).toContain('a trigger fired');
});

test('what differs is told, and what only looks different is not', () => {
  const one = (sql: string, name: string): SchemaStatement[] => [{ stage: 'finish', kind: 'constraint', name, sql }];
  const check = (text: string) => one(`alter table plugin.t add constraint c CHECK (${text})`, 'c');
  const before = check(`((a)::text = ANY ((ARRAY['x'::character varying, 'y'::character varying])::text[]))`);
  const after = check(`((a)::text = ANY (ARRAY[('x'::character varying)::text, ('y'::character varying)::text]))`);
  expect(differences(before, after, true)).toEqual([]);
  const less = check(`((a)::text = ANY (ARRAY[('x'::character varying)::text]))`);
  expect(differences(before, less, true)).toEqual(['constraint c']);
  expect(differences(check('a > 1'), check('a > 2'), false)).toEqual([]);
  expect(differences(check('a > 1'), [], false)).toEqual(['constraint c']);
  const notNull: SchemaStatement[] = [{ stage: 'derive', kind: 'not null', name: 'plugin.t.a', sql: 'x' }];
  expect([differences(notNull, [], false), differences(notNull, [], true)]).toEqual([[], ['not null plugin.t.a']]);
  expect(differences([], one('x', 'other'), true)).toEqual(['constraint other']);
});

const UNSUPPORTED: readonly (readonly [make: string, kind: string, drop: string])[] = [
  [
    'create aggregate total (integer) (sfunc = int4pl, stype = integer)',
    'aggregate function plugin.total(integer)',
    'drop aggregate total (integer)',
  ],
  [
    'create operator === (leftarg = text, rightarg = text, function = texteq)',
    'operator plugin.===(text,text)',
    'drop operator === (text, text)',
  ],
  [
    'create text search dictionary words (template = simple)',
    'text search dictionary words',
    'drop text search dictionary words',
  ],
  ['create collation mine from "C"', 'collation mine', 'drop collation mine'],
  [
    'create type pair as (a integer); create table "Typed ""one" of pair',
    'typed table plugin."Typed ""one"',
    'drop table "Typed ""one"; drop type pair',
  ],
  [
    'create table hidden (a int); alter table hidden enable row level security; alter table hidden force row level security',
    'table that forces row security on its owner',
    'drop table hidden',
  ],
  [
    `create type shoe as enum ('s'); create function to_shoe(integer) returns shoe language sql as $$ select 's'::shoe $$;
     create cast (integer as shoe) with function to_shoe(integer)`,
    'cast from integer to plugin.shoe',
    'drop cast (integer as shoe); drop function to_shoe; drop type shoe',
  ],
];

test('what cannot be made again is named', async () => {
  await using schema = await pluginSchema();
  for (const [make, kind, drop] of UNSUPPORTED) {
    await schema.run(make);
    const error = await refusal(statementsOf(schema));
    expect(error).toMatchObject({ code: 'backup_unsupported' });
    expect(error.message).toContain(kind);
    await schema.run(drop);
  }
  expect(await statementsOf(schema)).toEqual([]);
});

test('a statement that is too long is refused', async () => {
  await using schema = await pluginSchema();
  await schema.run(`do $$ begin
    execute 'create function long() returns text language sql as ' || quote_literal('select ''' || repeat('x', 1100000) || '''');
  end $$`);
  const error = await refusal(statementsOf(schema));
  expect(error).toMatchObject({ code: 'backup_unsupported' });
  expect(error.message).toContain('function plugin.long()');
});

test('statements of a hostile backup run as the plugin, one by one, and end no transaction', async () => {
  await using schema = await pluginSchema();
  const statement = (kind: string, sql: string): SchemaStatement => ({ stage: 'make', kind, name: kind, sql });
  const make = async (...statements: SchemaStatement[]) => {
    const maker = new SchemaMaker(await schema.connect(), statements);
    await maker.before();
    await maker.after();
  };
  const hostile = [
    'commit',
    'rollback',
    'set role postgres',
    'create role evil superuser',
    `copy (select 1) to program 'true'`,
    'create schema elsewhere',
  ];
  for (const sql of hostile) {
    const error = await refusal(make(statement('evil', sql)));
    expect(error).toMatchObject({ code: 'restore_failed', extra: { kind: 'evil' } });
  }
  await make(
    statement('needs the other', 'create table made as select made_by() as by'),
    statement('other', 'create function made_by() returns text language sql as $$ select session_user::text $$'),
  );
  const [row] = await schema.rows('select by, session_user::text as me from made');
  expect(row?.by).toBe(row?.me);
});

test('a connection that takes too long is ended', async () => {
  await using schema = await pluginSchema();
  const session = await schema.connect();
  const clock = new Clock(session, 50);
  clock.wind();
  expect(await refusal(session.query('select pg_sleep(30)'))).toBeInstanceOf(Error);
  const slow = (async function* () {
    yield Buffer.from('1\n');
  })();
  await schema.run(`create function slow() returns trigger language plpgsql as $$ begin perform pg_sleep(30); return new; end $$;
    create table t (a int); create trigger t before insert on t for each row execute function slow()`);
  expect(await refusal(copyIn(await schema.connect(), 'copy t from stdin', slow, 50))).toBeInstanceOf(Error);
});
