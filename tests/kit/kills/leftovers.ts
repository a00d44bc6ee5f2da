import { readdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { Sql } from '../../../src/db/sql.ts';
import { until } from '../until.ts';
import type { World } from './world.ts';

/** Milliseconds in which a start has swept: first it may have to outwait what the one before it held. */
const SWEPT_MS = 30_000;

/** Waits until nothing is there that nothing names. @throws Error with what there is */
export async function expectSwept(world: World): Promise<void> {
  let left: readonly string[] = [];
  const isSwept = async (): Promise<boolean> => {
    left = await leftovers(world);
    return left.length === 0;
  };
  await until(isSwept, 'nothing is left that nothing names', SWEPT_MS).catch((error: Error) => {
    throw new Error(`${error.message}, but ${left.join(', ')}`);
  });
}

/** Databases, roles, rows of plugins that are gone, files. */
async function leftovers(world: World): Promise<string[]> {
  const sql = world.sql();
  try {
    const rows = await Promise.all(Object.entries(NAMELESS).map(([what, query]) => namesOf(sql, what, query)));
    return [...rows.flat(), ...(await namelessFiles(sql, join(world.dataDir, 'files')))];
  } finally {
    await sql.end();
  }
}

const ABSENT = '(select name from installed_plugins)';
const NAMELESS: Readonly<Record<string, string>> = {
  database: `select datname as name from pg_database where datname like 'ss\\_%'
    and datname not in (select database from plugin_databases)
    and datname not in (select database from restore_points where database is not null)`,
  role: `select rolname as name from pg_roles where rolname like 'ss\\_%'
    and rolname not in (select role from plugin_databases)`,
  'pointer of': `select plugin_name as name from plugin_databases where plugin_name not in ${ABSENT}`,
  'restore point of': `select plugin_name as name from restore_points where not ready or plugin_name not in ${ABSENT}`,
  'stored value of': `select plugin_name as name from plugin_storage where plugin_name not in ${ABSENT}`,
  'secret of': `select plugin_name as name from plugin_secrets where plugin_name not in ${ABSENT}`,
  'file of': `select plugin_name as name from plugin_files where plugin_name not in ${ABSENT}`,
};

async function namesOf(sql: Sql, what: string, query: string): Promise<string[]> {
  return (await sql.query<{ name: string }>(query)).map(({ name }) => `${what} ${name}`);
}

/** Files of blobs that no row has, and blobs whose file is not there. */
async function namelessFiles(sql: Sql, folder: string): Promise<string[]> {
  const rows = await sql.query<{ key: string; state: string }>('select key, state from plugin_blobs');
  const known = new Set(rows.map(({ key }) => key));
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  // What begins with a dot is the folder's own.
  const names = entries.flatMap((entry) => (entry.isFile() ? [basename(entry.name)] : []));
  const found = new Set(names.filter((name) => !name.startsWith('.')));
  return [
    ...[...found].filter((key) => !known.has(key)).map((key) => `file of no blob ${key}`),
    ...rows
      .filter(({ key, state }) => state === 'kept' && !found.has(key))
      .map(({ key }) => `blob without a file ${key}`),
  ];
}
