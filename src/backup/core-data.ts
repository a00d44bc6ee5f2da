import pg from 'pg';
import type { ArchiveWriter } from './archive-writer.ts';
import { copyOut } from './copy.ts';
import { CORE_TABLES, copyStatement, PLUGIN_TABLES } from './core-tables.ts';
import { incompatible } from './failures.ts';
import type { BackupHead } from './head.ts';

/** What the core's database says of itself, in the snapshot of a backup. */
export interface CoreFacts {
  readonly postgres: number;
  readonly migrations: BackupHead['migrations'];
  readonly tables: BackupHead['tables'];
  readonly keyIds: readonly string[];
  readonly plugins: readonly { readonly name: string; readonly version: string; readonly database: string | null }[];
  /** Of the tables that are in it. */
  readonly bytes: number;
}

/** Begins a read of the core's database: one snapshot over all of it, until the session ends. */
export async function beginCoreRead(session: pg.Client): Promise<void> {
  await session.query(
    `set statement_timeout = 0; set datestyle = 'ISO'; set intervalstyle = 'postgres'; set timezone = 'UTC';
     set extra_float_digits = 1; set bytea_output = 'hex'; set client_encoding = 'UTF8'`,
  );
  await session.query('begin isolation level repeatable read read only');
}

/** @param plugin one plugin, or null for all of the instance */
export async function coreFacts(session: pg.Client, plugin: string | null): Promise<CoreFacts> {
  const wanted = CORE_TABLES.filter(({ name }) => plugin === null || PLUGIN_TABLES.has(name));
  const names = wanted.map(({ name }) => name);
  const of = plugin === null ? '' : 'where plugin_name = $1';
  const values = plugin === null ? [] : [plugin];
  const one = async (text: string, parameters: unknown[] = []) => (await session.query(text, parameters)).rows;
  const [{ postgres } = { postgres: 0 }] = await one(
    "select current_setting('server_version_num')::int / 10000 as postgres",
  );
  const columns = await tableColumns(session, names);
  return {
    postgres,
    migrations: await one('select name, digest from public.schema_migrations order by name'),
    tables: names.map((name) => ({ name, columns: columns.get(name) ?? [] })),
    keyIds: (await one(`select distinct key_id from plugin_secrets ${of} order by key_id`, values)).map(
      (row) => row.key_id,
    ),
    plugins: await one(
      `select i.name, i.version, d.database from installed_plugins i
       left join plugin_databases d on d.plugin_name = i.name where $1::text is null or i.name = $1 order by i.name`,
      [plugin],
    ),
    bytes: Number(
      (
        await one('select coalesce(sum(pg_table_size(c::regclass)), 0) as bytes from unnest($1::text[]) as c', [names])
      )[0]?.bytes,
    ),
  };
}

/** Columns that COPY takes and gives, by table of the schema public. */
export async function tableColumns(session: pg.Client, tables: readonly string[]): Promise<Map<string, string[]>> {
  const { rows } = await session.query<{ name: string; columns: string[] }>(
    `select c.relname as name, array_agg(a.attname::text order by a.attnum) as columns
     from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and a.attgenerated = ''
     where c.relnamespace = 'public'::regnamespace and c.relname = any ($1) group by c.relname`,
    [tables],
  );
  return new Map(rows.map(({ name, columns }) => [name, columns]));
}

/**
 * Writes the core's rows, as `core/<table>`, and where its sequences are.
 *
 * @param selection `without`: plugins whose files are left out
 */
export async function writeCore(
  session: pg.Client,
  facts: CoreFacts,
  selection: { readonly plugin: string | null; readonly without: readonly string[] },
  archive: ArchiveWriter,
): Promise<void> {
  const { plugin } = selection;
  for (const { name, columns } of facts.tables) {
    const table = CORE_TABLES.find((known) => known.name === name);
    if (table === undefined) throw new Error(`${name} is no table of a backup`);
    const section = `core/${name}`;
    const chunks = copyOut(session, copyStatement(table, columns, selection), (rows) => archive.count(section, rows));
    await archive.parts(section, chunks);
  }
  if (plugin !== null) return;
  const sequences = await session.query<{ name: string }>(
    `select sequencename as name from pg_sequences where schemaname = 'public' order by sequencename`,
  );
  const values: CoreSequence[] = [];
  for (const { name } of sequences.rows) {
    const { rows } = await session.query<{ last: string; called: boolean }>(
      `select last_value::text as last, is_called as called from public.${pg.escapeIdentifier(name)}`,
    );
    for (const { last, called } of rows) values.push({ name, last, called });
  }
  await archive.parts('core/sequences', [Buffer.from(JSON.stringify(values))]);
}

export interface CoreSequence {
  readonly name: string;
  readonly last: string;
  readonly called: boolean;
}

/** `copy ... from stdin` of a table of the backup. @throws CodedError `backup_incompatible` when it is unknown here */
export function fillStatement(
  head: BackupHead,
  name: string,
  known: ReadonlyMap<string, readonly string[]>,
  target = name,
) {
  const { columns } = head.tables.find((table) => table.name === name) ?? {};
  const here = known.get(name);
  if (columns === undefined || here === undefined)
    throw incompatible(`The backup has a table ${name} that is unknown here`);
  const odd = columns.find((column) => !here.includes(column));
  if (odd !== undefined) throw incompatible(`The backup has a column ${name}.${odd} that is unknown here`);
  return `copy ${pg.escapeIdentifier(target)} (${columns.map((column) => pg.escapeIdentifier(column)).join(', ')}) from stdin`;
}
