import { sql } from 'kysely';
import type { Db, Trx } from '../db/client.ts';

/** What a plugin's usage row said and what its rows really add up to. */
export interface Drift {
  readonly plugin: string;
  readonly said: Sums;
  readonly counted: Sums;
}

export interface Sums {
  readonly bytes: number;
  readonly keys: number;
}

/**
 * Adds up the rows of a plugin, and puts its usage right when that says something else. Writers wait only in that case.
 *
 * @returns what was wrong; null when nothing was
 */
export async function recount(db: Db, plugin: string): Promise<Drift | null> {
  // One statement sees rows and usage as of one moment.
  if (!isWrong(await compare(db, plugin))) return null;
  return db.transaction().execute(async (trx) => {
    // Who writes now has the row at its end, and has not written what is counted next.
    await sql`select from plugin_storage_usage where plugin_name = ${plugin} for update`.execute(trx);
    const found = await compare(trx, plugin);
    if (found === null || !isWrong(found)) return null;
    const { counted } = found;
    await sql`update plugin_storage_usage set bytes = ${counted.bytes}, keys = ${counted.keys} where plugin_name = ${plugin}`.execute(
      trx,
    );
    return found;
  });
}

/**
 * Takes a plugin that was not counted for so many seconds, and says so before it is counted: no other core takes it too.
 *
 * @returns its name; null when there is none
 */
export async function claimCount(db: Db, seconds: number): Promise<string | null> {
  const { rows } = await sql<{ plugin: string }>`
    update plugin_storage_usage set counted_at = now() where plugin_name = (
      select plugin_name from plugin_storage_usage where counted_at <= now() - ${seconds}::float8 * interval '1 second'
      order by counted_at limit 1 for update skip locked)
    returning plugin_name as plugin`.execute(db);
  return rows[0]?.plugin ?? null;
}

async function compare(on: Db | Trx, plugin: string): Promise<Drift | null> {
  const { rows } = await sql<{ bytes: number; keys: number; real_bytes: number; real_keys: number }>`
    select u.bytes, u.keys, coalesce(sum(s.size_bytes), 0)::bigint as real_bytes, count(s.key) as real_keys
    from plugin_storage_usage u left join plugin_storage s on s.plugin_name = u.plugin_name
    where u.plugin_name = ${plugin} group by u.plugin_name`.execute(on);
  const row = rows[0];
  if (row === undefined) return null;
  const { bytes, keys, real_bytes, real_keys } = row;
  return { plugin, said: { bytes, keys }, counted: { bytes: real_bytes, keys: real_keys } };
}

function isWrong(found: Drift | null): boolean {
  return found !== null && (found.said.bytes !== found.counted.bytes || found.said.keys !== found.counted.keys);
}
