import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Client } from 'pg';
import type { Log } from '../log.ts';
import { type DbAddress, openSession } from './client.ts';

/** Any number will do that no one else takes: the bytes of "strmspac". */
const LOCK_KEY = '8319683848551211363';
const FILE_NAME = /^\d{4}_[a-z0-9_]+\.sql$/;

export interface Migration {
  readonly name: string;
  readonly text: string;
  readonly digest: string;
}

export interface MigrateOptions {
  readonly address: DbAddress;
  readonly log: Log;
  /** Folder of the `NNNN_name.sql` files; the core's own by default. */
  readonly directory?: string;
  /** Runs these alone, by name: for data of an earlier version, which comes before the rest. */
  readonly only?: ReadonlySet<string>;
}

/**
 * Brings the database to the newest schema: runs each file that has not run yet, in the order of the names, once, in a
 * transaction of its own. Cores that start at the same time take turns.
 *
 * @returns the names of the files that ran
 * @throws Error when a file has changed since it ran, is misnamed, or fails (its name and the line are in the message)
 */
export async function migrate({ address, log, directory, only }: MigrateOptions): Promise<string[]> {
  const all = await readMigrations(directory);
  const migrations = only === undefined ? all : all.filter(({ name }) => only.has(name));
  const session = await openSession(address, log);
  try {
    // Most starts end here, without the lock.
    if ((await pending(session, migrations, log)).length === 0) return [];
    return await runLocked(session, migrations, log);
  } finally {
    await session.end();
  }
}

/** The core's migrations in their order. @throws Error when a file is misnamed */
export async function readMigrations(directory = join(import.meta.dirname, '../../migrations')): Promise<Migration[]> {
  const names = (await readdir(directory)).filter((name) => name.endsWith('.sql')).sort();
  const odd = names.find((name) => !FILE_NAME.test(name));
  if (odd !== undefined) throw new Error(`${join(directory, odd)} is misnamed: a migration is called NNNN_name.sql`);
  return Promise.all(
    names.map(async (name) => {
      const text = await readFile(join(directory, name), 'utf8');
      return { name, text, digest: createHash('sha256').update(text).digest('hex') };
    }),
  );
}

async function pending(session: Client, migrations: readonly Migration[], log: Log): Promise<Migration[]> {
  const table = await session.query("select to_regclass('public.schema_migrations') is not null as exists");
  const recorded = table.rows[0]?.exists
    ? await session.query('select name, digest from public.schema_migrations')
    : null;
  const applied = new Map(recorded?.rows.map((row): [string, string] => [row.name, row.digest]));
  for (const { name, digest } of migrations) {
    const known = applied.get(name);
    if (known !== undefined && known !== digest) {
      throw new Error(
        `migrations/${name} has changed since it ran (sha256 was ${known}, is ${digest}): put it back and write a new file`,
      );
    }
  }
  const unknown = [...applied.keys()].filter((name) => !migrations.some((migration) => migration.name === name));
  if (unknown.length > 0) log.warn({ migrations: unknown }, 'the database has migrations of a newer version');
  return migrations.filter(({ name }) => !applied.has(name));
}

/** The lock lasts until the connection ends. */
async function runLocked(session: Client, migrations: readonly Migration[], log: Log): Promise<string[]> {
  const lock = await session.query('select pg_try_advisory_lock($1) as taken', [LOCK_KEY]);
  if (!lock.rows[0]?.taken) {
    log.info('waiting for another core that migrates the database');
    await session.query('select pg_advisory_lock($1)', [LOCK_KEY]);
  }
  await session.query(`create table if not exists public.schema_migrations (
    name text primary key, digest text not null, applied_at timestamptz not null default now())`);
  const todo = await pending(session, migrations, log);
  for (const migration of todo) await run(session, migration, log);
  return todo.map(({ name }) => name);
}

async function run(session: Client, { name, text, digest }: Migration, log: Log): Promise<void> {
  const begun = performance.now();
  await session.query('begin');
  try {
    await session.query(text);
    await session.query('insert into public.schema_migrations (name, digest) values ($1, $2)', [name, digest]);
    await session.query('commit');
  } catch (error) {
    // Fails only when the connection is gone, and the transaction with it.
    await session.query('rollback').catch((lost) => log.debug({ err: lost }, 'no rollback'));
    throw new Error(`migrations/${name}${lineOf(error, text)} failed: ${messageOf(error)}`, { cause: error });
  }
  log.info({ migration: name, ms: Math.round(performance.now() - begun) }, 'migrated');
}

/** `:<line>` of the error's position (in characters, from 1), or nothing when Postgres gave none. */
function lineOf(error: unknown, text: string): string {
  const position = Number((error as { position?: unknown }).position);
  return position > 0 ? `:${text.slice(0, position - 1).split('\n').length}` : '';
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
