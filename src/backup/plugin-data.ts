import { Type } from '@sinclair/typebox';
import { Value } from '@sinclair/typebox/value';
import type pg from 'pg';
import { CodedError } from '../../sandbox-apis/_kit/errors.ts';
import type { ArchiveWriter } from './archive-writer.ts';
import { copyIn, copyOut } from './copy.ts';
import { damaged } from './failures.ts';
import { parseJson } from './head.ts';
import { BACKUP_LIMITS } from './limits.ts';
import { differences } from './schema/compare.ts';
import { beginDump, dataTables, readSchema, sequenceValues } from './schema/dump.ts';
import { copyTarget, SchemaMaker } from './schema/make.ts';
import type { DataTable, SchemaStatement } from './schema/statement.ts';
import { readWhole, type Section } from './sections.ts';

/**
 * Writes a plugin's database below `plugins/<name>/`: `schema` (a statement a line), `tables`, `rows/<number>` for each
 * table, `sequences`. One snapshot; it ends with the session.
 *
 * @param session a connection as the plugin's role
 * @throws CodedError `backup_unsupported`
 */
export async function writePluginData(session: pg.Client, plugin: string, archive: ArchiveWriter): Promise<void> {
  await beginDump(session);
  const statements = await readSchema(session);
  const tables = await dataTables(session);
  const root = `plugins/${plugin}`;
  await archive.parts(`${root}/schema`, lines(statements));
  await archive.parts(`${root}/tables`, [Buffer.from(JSON.stringify(tables))]);
  for (const [index, table] of tables.entries()) {
    const section = rowsSection(plugin, index);
    const count = (rows: number) => archive.count(section, rows);
    await archive.parts(section, copyOut(session, `copy ${copyTarget(table)} to stdout`, count));
  }
  await archive.parts(`${root}/sequences`, [Buffer.from(JSON.stringify(await sequenceValues(session)))]);
  await session.query('rollback');
}

function* lines(statements: readonly SchemaStatement[]): Generator<Uint8Array> {
  for (const statement of statements) yield Buffer.from(`${JSON.stringify(statement)}\n`);
}

function rowsSection(plugin: string, table: number): string {
  return `plugins/${plugin}/rows/${String(table + 1).padStart(5, '0')}`;
}

const Text = Type.String({ maxLength: BACKUP_LIMITS.statementBytes });
/** A name of Postgres has 63 bytes. */
const Name = Type.String({ minLength: 1, maxLength: 63 });
const Statement = Type.Object({
  stage: Type.Union([Type.Literal('make'), Type.Literal('derive'), Type.Literal('finish')]),
  kind: Type.String({ maxLength: 100 }),
  name: Type.String({ maxLength: 1_000 }),
  sql: Text,
});
const Tables = Type.Array(Type.Object({ table: Name, columns: Type.Array(Name, { maxItems: 1_600 }) }), {
  maxItems: BACKUP_LIMITS.tables,
});
const Sequences = Type.Array(
  Type.Object({ sequence: Name, last: Type.String({ pattern: '^-?\\d{1,19}$' }), called: Type.Boolean() }),
  { maxItems: 10 * BACKUP_LIMITS.tables },
);

/** Makes a plugin's database again in an empty one, section by section as they come. */
export class PluginDataReader {
  readonly #session: pg.Client;
  readonly #plugin: string;
  #statements: SchemaStatement[] = [];
  #tables: readonly DataTable[] = [];
  #maker: SchemaMaker | null = null;
  /** Rows that came, by section. */
  readonly #rows = new Map<string, number>();

  /** @param session a connection as the role that is to own it */
  constructor(session: pg.Client, plugin: string) {
    this.#session = session;
    this.#plugin = plugin;
  }

  /** Takes a section of this plugin. @throws CodedError `backup_damaged`, `restore_failed` */
  async take({ name, content }: Section): Promise<void> {
    const what = name.slice(`plugins/${this.#plugin}/`.length);
    const tooLong = () => damaged(`${name} is longer than any that is written`);
    if (what === 'schema') {
      const text = await readWhole(content, 2 * BACKUP_LIMITS.schemaBytes, tooLong);
      this.#statements = text.length === 0 ? [] : text.toString('utf8').trimEnd().split('\n').map(statementOf(name));
    } else if (what === 'tables') {
      this.#tables = checked(
        name,
        Tables,
        parseJson(name, await readWhole(content, BACKUP_LIMITS.schemaBytes, tooLong)),
      );
      for (const index of this.#tables.keys()) this.#rows.set(rowsSection(this.#plugin, index), 0);
      this.#maker = new SchemaMaker(this.#session, this.#statements);
      await this.#maker.before();
    } else if (what === 'sequences') {
      const values = checked(
        name,
        Sequences,
        parseJson(name, await readWhole(content, BACKUP_LIMITS.schemaBytes, tooLong)),
      );
      for (const value of values) await this.#attempt('its sequences', () => this.#made(name).setSequence(value));
    } else {
      const index = /^rows\/(\d{5})$/.exec(what)?.[1];
      const table = this.#tables[Number(index) - 1];
      if (table === undefined) throw damaged(`it has ${name}, and no such table`);
      const statement = `copy ${copyTarget(table)} from stdin`;
      const rows = await this.#attempt(`the rows of ${table.table}`, () =>
        copyIn(this.#session, statement, content, BACKUP_LIMITS.statementMs),
      );
      this.#rows.set(name, rows);
    }
  }

  /**
   * Makes what had to wait for the rows, and compares the schema with the one that was written.
   *
   * @param sameServer whether this server is of the major version that wrote it
   * @throws CodedError `restore_failed`
   */
  async finish(sameServer: boolean): Promise<void> {
    await this.#made('its end').after();
    await beginDump(this.#session);
    const odd = differences(this.#statements, await readSchema(this.#session), sameServer);
    await this.#session.query('rollback');
    if (odd.length === 0) return;
    const named = odd.slice(0, 5).join(', ');
    throw new CodedError(
      'restore_failed',
      `The restored database of ${this.#plugin} differs from the one in the backup: ${named}`,
    );
  }

  /**
   * @param rows how many there have to be, by section
   * @throws CodedError `backup_damaged`
   */
  checkRows(rows: Readonly<Record<string, number>>): void {
    for (const [name, count] of this.#rows) {
      if (rows[name] !== count) throw damaged(`${name} has ${count} rows, not ${rows[name] ?? 0}`);
    }
  }

  #made(section: string): SchemaMaker {
    if (this.#maker === null) throw damaged(`${section} of ${this.#plugin} comes before its schema`);
    return this.#maker;
  }

  async #attempt<T>(what: string, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if ((error as { name?: unknown }).name !== 'error' && !isDatabaseError(error)) throw error;
      const why = (error as Error).message.slice(0, 1_000);
      throw new CodedError('restore_failed', `${what} of ${this.#plugin} cannot be restored: ${why}`);
    }
  }
}

function isDatabaseError(error: unknown): boolean {
  return typeof (error as { severity?: unknown }).severity === 'string';
}

function statementOf(section: string): (line: string) => SchemaStatement {
  return (line) => checked(section, Statement, parseJson(section, Buffer.from(line)));
}

function checked<T extends Parameters<typeof Value.Check>[0]>(section: string, schema: T, value: unknown) {
  if (!Value.Check(schema, value)) throw damaged(`${section} is not what it should be`);
  return value;
}
