import { sql } from 'kysely';
import type { Db } from '../db/client.ts';
import { live, within } from './statements.ts';

/** An entry as an admin sees it in a list. */
export interface BrowsedEntry {
  readonly key: string;
  /** Of key and value, as the quota counts them. */
  readonly bytes: number;
  readonly version: number;
  readonly expiresAt: Date | null;
}

const shown = sql`key, size_bytes as bytes, version, expires_at as "expiresAt"`;

/** The entries after `after` that begin with `prefix`, without their values; one more than `limit` when there are more. */
export async function browse(
  db: Db,
  plugin: string,
  { prefix, after, limit }: { readonly prefix: string; readonly after: string | null; readonly limit: number },
): Promise<BrowsedEntry[]> {
  const beyond = after === null ? sql`true` : sql`s.key > ${after}`;
  const { rows } = await sql<BrowsedEntry>`
    select ${shown} from plugin_storage s where plugin_name = ${plugin} and ${within(prefix)} and ${beyond} and ${live}
    order by key limit ${limit + 1}`.execute(db);
  return rows;
}

/** One entry with its value; null when there is none. */
export async function browseEntry(
  db: Db,
  plugin: string,
  key: string,
): Promise<(BrowsedEntry & { readonly value: unknown }) | null> {
  const { rows } = await sql<BrowsedEntry & { value: unknown }>`
    select ${shown}, value from plugin_storage s where plugin_name = ${plugin} and key = ${key} and ${live}`.execute(
    db,
  );
  return rows[0] ?? null;
}
