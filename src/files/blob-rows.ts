import { sql } from 'kysely';
import type { Db } from '../db/client.ts';
import { BLOB_LIMITS } from './limits.ts';

/** A blob that is to be removed. */
export interface Doomed {
  readonly key: string;
  readonly backend: string;
}

interface Claim {
  readonly plugin: string;
  readonly key: string;
  readonly backend: string;
  /** What is reserved for it at first. */
  readonly bytes: number;
  /** Bytes of the file that it is to replace: they are free again when it is there. */
  readonly spare: number;
}

const lease = sql`now() + ${BLOB_LIMITS.leaseSeconds} * interval '1 second'`;

/** Registers a blob before anything is written for it. @returns false when the quota has no room for it */
export async function claimBlob(db: Db, { plugin, key, backend, bytes, spare }: Claim): Promise<boolean> {
  const { rows } = await sql`
    with usage as materialized (select * from plugin_files_usage where plugin_name = ${plugin} for update)
    insert into plugin_blobs (key, plugin_name, backend, bytes, due_at)
    select ${key}, ${plugin}, ${backend}, ${bytes}::bigint, ${lease} from usage
    where ${bytes}::bigint = 0 or usage.bytes + usage.unnamed_bytes + ${bytes}::bigint <= greatest(usage.max_bytes, usage.bytes) + ${spare}::bigint
    returning key`.execute(db);
  return rows.length > 0;
}

/** Reserves more for a blob that is being written, and renews its lease. @returns false when there is no room */
export async function reserve(
  db: Db,
  { plugin, key, spare }: Pick<Claim, 'plugin' | 'key' | 'spare'>,
  more: number,
): Promise<boolean> {
  const { rows } = await sql`
    with usage as materialized (select * from plugin_files_usage where plugin_name = ${plugin} for update)
    update plugin_blobs b set bytes = b.bytes + ${more}::bigint, due_at = ${lease} from usage
    where b.key = ${key} and b.state = 'writing'
      and usage.bytes + usage.unnamed_bytes + ${more}::bigint <= greatest(usage.max_bytes, usage.bytes) + ${spare}::bigint
    returning b.key`.execute(db);
  return rows.length > 0;
}

/** Gives up a blob that got no name: it may be removed now. */
export async function giveUp(db: Db, plugin: string, key: string): Promise<void> {
  await sql`
    with usage as materialized (select * from plugin_files_usage where plugin_name = ${plugin} for update)
    update plugin_blobs b set state = 'doomed', due_at = now() from (select count(*) from usage) as locked
    where b.key = ${key} and b.names = 0`.execute(db);
}

/** Plugins that have blobs which nobody has and which may be removed. */
export async function pluginsWithDue(db: Db): Promise<string[]> {
  const { rows } = await sql<{ plugin: string }>`
    select distinct plugin_name as plugin from plugin_blobs where names = 0 and due_at <= now()`.execute(db);
  return rows.map(({ plugin }) => plugin);
}

/**
 * Takes some of a plugin's blobs that nobody has, so that nobody can have them any more. One that is not removed soon is
 * taken again, later each time. Cores that sweep together do not take the same.
 */
export async function doom(db: Db, plugin: string): Promise<readonly Doomed[]> {
  const { rows } = await sql<Doomed>`
    with usage as materialized (select * from plugin_files_usage where plugin_name = ${plugin} for update),
    due as (
      select b.key from plugin_blobs b, (select count(*) from usage) as locked
      where b.plugin_name = ${plugin} and b.names = 0 and b.due_at <= now()
      order by b.due_at limit ${BLOB_LIMITS.sweepBatch} for update of b skip locked
    )
    update plugin_blobs b set state = 'doomed', tries = b.tries + 1, due_at = now() + interval '1 second' *
      least(${BLOB_LIMITS.retrySeconds}::float8 * power(2, b.tries), ${BLOB_LIMITS.retryMaxSeconds}::float8)
    from due where b.key = due.key returning b.key, b.backend`.execute(db);
  return rows;
}

/** Forgets blobs that their backends have removed. */
export async function forgetBlobs(db: Db, keys: readonly string[]): Promise<void> {
  if (keys.length === 0) return;
  await sql`delete from plugin_blobs where key = any(${keys}::text[]) and state = 'doomed'`.execute(db);
}
