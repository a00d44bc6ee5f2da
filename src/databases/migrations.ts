import { createHash } from 'node:crypto';
import pg from 'pg';
import { CodedError } from '../../sandbox-apis/_kit/errors.ts';
import { toFailure } from './failures.ts';
import { type ScriptStatement, splitScript } from './statements.ts';

/** A script that is to run once in a plugin's database. */
export interface MigrationFile {
  /** Name of the file below `migrations/`, or `inline:<sha256>` of one that the guest passed to `database.migrate`. */
  readonly name: string;
  readonly sql: string;
}

const INLINE = 'inline:';
/** What a script of `database.migrate` goes by: each text runs once. */
export function inlineName(sql: string): string {
  return `${INLINE}${checksumOf(sql)}`;
}

/** Each file is a transaction; what would end or nest it has no place inside. */
const TRANSACTION_WORDS: ReadonlySet<string> = new Set([
  'abort',
  'begin',
  'commit',
  'end',
  'release',
  'rollback',
  'savepoint',
  'start',
]);
/** Characters of what Postgres says; a script can raise a message of any length. */
const MESSAGE_CHARS = 1_000;

/**
 * Runs the files that did not run yet in the database of the session, in the order given, each in a transaction together
 * with its record (`plugin.streamspace_migrations`). The first failure stops it; what ran before stays.
 *
 * @param session a connection as the plugin's role, nothing open in it; whoever gives it cancels what takes too long
 * @returns names of the files that ran now
 * @throws CodedError `migration_changed` before anything runs, `migration_failed` (extra: `migration`, `line`, `sqlstate`)
 */
export async function runMigrations(session: pg.Client, files: readonly MigrationFile[]): Promise<readonly string[]> {
  const todo = await pendingMigrations(session, files);
  for (const file of todo) await run(session, file);
  return todo.map(({ name }) => name);
}

/** The files that did not run yet. @throws CodedError `migration_changed` */
export async function pendingMigrations(
  session: pg.Client,
  files: readonly MigrationFile[],
): Promise<readonly MigrationFile[]> {
  if (files.length === 0) return [];
  const applied = await appliedMigrations(session, files);
  return files.filter(({ name, sql }) => {
    const known = applied.get(name);
    if (known === undefined) return true;
    if (known === checksumOf(sql)) return false;
    throw new CodedError(
      'migration_changed',
      `${placeOf(name)} has changed since it ran: put it back as it was, and write a new file for what is to change`,
      { migration: name },
    );
  });
}

/** Checksums of those that ran. The table is the plugin's own: what it answers is cut to what can be true. */
async function appliedMigrations(session: pg.Client, files: readonly MigrationFile[]): Promise<Map<string, string>> {
  const found = await session.query("select pg_catalog.to_regclass('plugin.streamspace_migrations') is not null as ok");
  if (!found.rows[0]?.ok) return new Map();
  const names = files.map(({ name }) => name);
  const { rows } = await session.query<{ name: string; checksum: string }>(
    `select pg_catalog.left(name::pg_catalog.text, 300) as name, pg_catalog.left(checksum::pg_catalog.text, 64) as checksum
     from plugin.streamspace_migrations where name::pg_catalog.text = any ($1::pg_catalog.text[]) limit $2`,
    [names, names.length],
  );
  return new Map(rows.map(({ name, checksum }) => [name, checksum]));
}

async function run(session: pg.Client, { name, sql }: MigrationFile): Promise<void> {
  // A file may have changed the search path for good; the next one counts on its own.
  await session.query('reset all');
  await session.query('begin');
  let statement: ScriptStatement | null = null;
  try {
    for (statement of splitScript(sql)) await execute(session, statement);
    statement = null;
    await session.query(`create table if not exists plugin.streamspace_migrations (
      name text primary key, checksum text not null, applied_at timestamptz not null default pg_catalog.now())`);
    await session.query('insert into plugin.streamspace_migrations (name, checksum) values ($1, $2)', [
      name,
      checksumOf(sql),
    ]);
    await session.query('commit');
  } catch (error) {
    const failure = failureOf(name, statement, error);
    // Without a connection the transaction is gone as well; the error says so already.
    await session.query('rollback').catch(() => undefined);
    throw failure;
  }
}

/**
 * As dynamic SQL of a `do` block Postgres refuses whatever would end the transaction, however it is written, and keeps
 * rows that nobody is to read.
 */
async function execute(session: pg.Client, { sql, word }: ScriptStatement): Promise<void> {
  if (TRANSACTION_WORDS.has(word)) {
    throw new TransactionWord(word);
  }
  await session.query(`do ${pg.escapeLiteral(`begin execute ${pg.escapeLiteral(sql)}; end`)}`);
}

class TransactionWord extends Error {
  readonly told: CodedError;
  constructor(word: string) {
    const message = `${word.toUpperCase()} has no place here: each file runs in a transaction of its own`;
    super(message);
    this.told = new CodedError('database_error', message, { sqlstate: '25001' });
  }
}

function failureOf(name: string, statement: ScriptStatement | null, error: unknown): unknown {
  // The words for a plugin: what Postgres says of the server is not for it.
  const told = error instanceof TransactionWord ? error.told : toFailure(error);
  if (!(told instanceof CodedError) || told.code !== 'database_error') return told;
  const line = statement === null ? null : lineOf(statement, error);
  const { sqlstate, detail, hint } = told.extra;
  const place = line === null ? placeOf(name) : `${placeOf(name)}:${line}`;
  return new CodedError('migration_failed', `${place}: ${cut(told.message)} (SQLSTATE ${sqlstate})`, {
    migration: name,
    line,
    sqlstate,
    ...(typeof detail === 'string' ? { detail: cut(detail) } : {}),
    ...(typeof hint === 'string' ? { hint: cut(hint) } : {}),
  });
}

/** Of the place in the statement that Postgres names (in characters, from 1), else of its beginning. */
function lineOf({ sql, line }: ScriptStatement, error: unknown): number {
  const { internalPosition, internalQuery } = error as { internalPosition?: string; internalQuery?: string };
  if (internalQuery !== sql || internalPosition === undefined) return line;
  const before = [...sql].slice(0, Number(internalPosition) - 1);
  return line + before.filter((character) => character === '\n').length;
}

function placeOf(name: string): string {
  return name.startsWith(INLINE) ? 'database.migrate' : `migrations/${name}`;
}

function cut(text: string): string {
  return text.length > MESSAGE_CHARS ? `${text.slice(0, MESSAGE_CHARS)}…` : text;
}

function checksumOf(sql: string): string {
  return createHash('sha256').update(sql).digest('hex');
}
