import { Type } from '@sinclair/typebox';
import { Value } from '@sinclair/typebox/value';
import pg from 'pg';
import { CodedError } from '../../sandbox-apis/_kit/errors.ts';
import { type Migration, readMigrations } from '../db/migrate.ts';
import { copyIn } from './copy.ts';
import { fillStatement, tableColumns } from './core-data.ts';
import { CORE_TABLES } from './core-tables.ts';
import { damaged, incompatible, reasonOf } from './failures.ts';
import { type BackupEnd, type BackupHead, parseJson } from './head.ts';
import { BACKUP_LIMITS } from './limits.ts';
import { readWhole, type Section } from './sections.ts';

/**
 * The migrations that had run where the backup was made.
 * @throws CodedError `backup_incompatible` when this program does not know one of them, or knows another of that name
 */
export async function migrationsOf(head: BackupHead): Promise<ReadonlySet<string>> {
  const known = new Map((await readMigrations()).map((migration): [string, Migration] => [migration.name, migration]));
  for (const { name, digest } of head.migrations) {
    const here = known.get(name);
    if (here === undefined) {
      throw incompatible(
        `The backup is of StreamSpace ${head.version}, which is newer than this: it has the migration ${name}`,
      );
    }
    if (here.digest !== digest) throw incompatible(`The migration ${name} is another than where the backup was made`);
  }
  return new Set(head.migrations.map(({ name }) => name));
}

const Sequences = Type.Array(
  Type.Object({
    name: Type.String({ minLength: 1, maxLength: 63 }),
    last: Type.String({ pattern: '^\\d{1,19}$' }),
    called: Type.Boolean(),
  }),
  { maxItems: 1_000 },
);

/** Fills the core's tables, in one transaction: `begin`, each `core/` section, `end`. */
export class CoreLoad {
  readonly #session: pg.Client;
  readonly #head: BackupHead;
  readonly #end: BackupEnd;
  #known: ReadonlyMap<string, readonly string[]> = new Map();
  readonly #filled = new Set<string>();

  /**
   * @param session a connection as the core, to a database with the backup's migrations
   * @param end how many rows there have to be
   */
  constructor(session: pg.Client, head: BackupHead, end: BackupEnd) {
    this.#session = session;
    this.#head = head;
    this.#end = end;
  }

  async begin(): Promise<void> {
    const tables = this.#head.tables.map(({ name }) => name);
    const odd = tables.find((name) => !CORE_TABLES.some((table) => table.name === name));
    if (odd !== undefined) throw incompatible(`The backup has a table ${odd} that is unknown here`);
    this.#known = await tableColumns(this.#session, tables);
    await this.#session.query('begin');
    // What migrations put there is in the backup; and triggers have done their part where the rows come from.
    await this.#session.query(`truncate table ${tables.map(pg.escapeIdentifier).join(', ')} cascade`);
    await this.#triggers('disable');
  }

  async take({ name: section, content }: Section): Promise<void> {
    const name = section.slice('core/'.length);
    if (name === 'sequences') {
      const bytes = await readWhole(content, BACKUP_LIMITS.headBytes, () => damaged('core/sequences is too long'));
      return this.#sequences(parseJson(section, bytes));
    }
    const statement = fillStatement(this.#head, name, this.#known);
    try {
      const rows = await copyIn(this.#session, statement, content);
      if (rows !== this.#end.rows[section])
        throw damaged(`${section} has ${rows} rows, not ${this.#end.rows[section]}`);
      this.#filled.add(section);
    } catch (error) {
      if (error instanceof CodedError) throw error;
      throw new CodedError('restore_failed', `The rows of ${name} cannot be restored: ${reasonOf(error)}`);
    }
  }

  /** @param withoutSecrets leaves what is sealed out */
  async end(withoutSecrets: boolean): Promise<void> {
    for (const { name } of this.#head.tables) {
      const rows = this.#end.rows[`core/${name}`] ?? 0;
      if (rows > 0 && !this.#filled.has(`core/${name}`)) throw damaged(`the rows of ${name} are missing`);
    }
    const has = (name: string) => this.#known.has(name);
    if (withoutSecrets && has('plugin_secrets')) await this.#session.query('delete from plugin_secrets');
    // Wherever they were kept: the backup brings the contents, and they are on this disk now.
    if (has('plugin_blobs')) await this.#session.query(`update plugin_blobs set backend = 'local'`);
    await this.#triggers('enable');
    await this.#session.query('commit');
  }

  async #triggers(act: 'enable' | 'disable'): Promise<void> {
    for (const name of this.#known.keys()) {
      await this.#session.query(`alter table ${pg.escapeIdentifier(name)} ${act} trigger user`);
    }
  }

  async #sequences(values: unknown): Promise<void> {
    if (!Value.Check(Sequences, values)) throw damaged('core/sequences is not what it should be');
    for (const { name, last, called } of values) {
      const found = await this.#session.query('select to_regclass($1) is not null as there', [
        `public.${pg.escapeIdentifier(name)}`,
      ]);
      if (!found.rows[0]?.there) throw incompatible(`The backup has a sequence ${name} that is unknown here`);
      await this.#session.query('select setval($1::regclass, $2::bigint, $3)', [
        `public.${pg.escapeIdentifier(name)}`,
        last,
        called,
      ]);
    }
  }
}
