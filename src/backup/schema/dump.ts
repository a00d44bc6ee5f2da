import pg from 'pg';
import { CodedError } from '../../../sandbox-apis/_kit/errors.ts';
import { BACKUP_LIMITS } from '../limits.ts';
import { DATA_TABLES, SCHEMA_QUERIES, SEQUENCE_NAMES, TABLE_NAMES } from './queries.ts';
import { settle } from './session.ts';
import type { DataTable, SchemaStatement, SequenceValue } from './statement.ts';
import { LARGE_OBJECTS, MAY_HAVE_LARGE_OBJECTS, UNSUPPORTED } from './unsupported.ts';

/**
 * Begins to read the schema `plugin`: a transaction with one snapshot in which no table changes its shape.
 *
 * @param session a connection as the schema's owner, nothing open in it; `rollback` ends the reading
 * @throws CodedError `backup_unsupported` that names what cannot be made again
 */
export async function beginDump(session: pg.Client): Promise<void> {
  await settle(session, '');
  for (let attempt = 1; ; attempt += 1) {
    const before = await tableNames(session);
    await session.query('begin isolation level repeatable read read only');
    // The snapshot is taken by the first statement after this one, so none of the tables changes shape in it.
    if (before.length > 0) await session.query(`lock table ${before.join(', ')} in access share mode`);
    const after = await tableNames(session);
    if (after.join() === before.join()) break;
    await session.query('rollback');
    if (attempt === BACKUP_LIMITS.lockAttempts) {
      throw new CodedError('backup_failed', 'Its tables keep changing while they are to be read: try again');
    }
  }
  const { rows } = await session.query<{ kind: string; name: string }>(UNSUPPORTED);
  const large = (await session.query<{ may: boolean }>(MAY_HAVE_LARGE_OBJECTS)).rows[0]?.may
    ? (await session.query<{ kind: string; name: string }>(LARGE_OBJECTS)).rows
    : [];
  if (rows.length + large.length > 0) throw unsupported([...rows, ...large]);
}

/** The statements that make the schema, in an order in which most of them can run. */
export async function readSchema(session: pg.Client): Promise<SchemaStatement[]> {
  const statements: SchemaStatement[] = [];
  let bytes = 0;
  for (const { stage, text } of SCHEMA_QUERIES) {
    for await (const { kind, name, size, sql } of rowsOf(session, text)) {
      if (sql === null) throw tooLarge(`the ${kind} ${name} is a statement of ${size} bytes`);
      bytes += Number(size);
      if (bytes > BACKUP_LIMITS.schemaBytes) throw tooLarge(`its schema is over ${BACKUP_LIMITS.schemaBytes} bytes`);
      statements.push({ stage, kind, name, sql });
    }
  }
  return statements;
}

export async function dataTables(session: pg.Client): Promise<DataTable[]> {
  const { rows } = await session.query<DataTable>(DATA_TABLES);
  return rows;
}

/** Where its sequences are. They are no part of any snapshot: read after the rows, they are never behind them. */
export async function sequenceValues(session: pg.Client): Promise<SequenceValue[]> {
  const { rows } = await session.query<{ name: string }>(SEQUENCE_NAMES);
  const values: SequenceValue[] = [];
  for (const { name } of rows) {
    const read = `select last_value::text as last, is_called as called from plugin.${pg.escapeIdentifier(name)}`;
    const { rows: found } = await session.query<{ last: string; called: boolean }>(read);
    for (const { last, called } of found) values.push({ sequence: name, last, called });
  }
  return values;
}

async function tableNames(session: pg.Client): Promise<string[]> {
  const { rows } = await session.query<{ name: string }>(`${TABLE_NAMES} limit ${BACKUP_LIMITS.tables + 1}`);
  if (rows.length > BACKUP_LIMITS.tables) throw tooLarge(`it has more than ${BACKUP_LIMITS.tables} tables`);
  return rows.map(({ name }) => name);
}

interface StatementRow {
  readonly kind: string;
  readonly name: string;
  readonly size: number;
  /** Null when it is too long. */
  readonly sql: string | null;
}

/** A few at a time, so that what a plugin put into its catalogs does not all come at once. */
async function* rowsOf(session: pg.Client, text: string): AsyncGenerator<StatementRow> {
  await session.query(`declare schema_dump no scroll cursor for select kind, left(name, 1000) as name,
    octet_length(sql) as size, case when octet_length(sql) <= ${BACKUP_LIMITS.statementBytes} then sql end as sql
    from (${text}) as q`);
  for (;;) {
    const { rows } = await session.query<StatementRow>(`fetch ${BACKUP_LIMITS.fetch} from schema_dump`);
    yield* rows;
    if (rows.length < BACKUP_LIMITS.fetch) break;
  }
  await session.query('close schema_dump');
}

function unsupported(objects: readonly { kind: string; name: string }[]): CodedError {
  const named = objects.map(({ kind, name }) => `${kind} ${name.slice(0, 200)}`);
  return new CodedError('backup_unsupported', `A backup cannot hold: ${named.join('; ')}`, { objects: named });
}

function tooLarge(what: string): CodedError {
  return new CodedError('backup_unsupported', `Too large for a backup: ${what}`);
}
