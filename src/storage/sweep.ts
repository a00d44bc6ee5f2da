import { sql } from 'kysely';
import type { Db } from '../db/client.ts';

/** Rows of one statement: short enough that a writer who waits for its locks hardly notices. */
const BATCH = 1_000;
/** Bytes of one statement, by the plugin's average: large values take Postgres longer to remove. */
const BATCH_BYTES = 8 * 1024 * 1024;

export interface SweepOptions {
  /** Runs after each batch that was full, with the milliseconds that it took. */
  readonly pause?: (ms: number) => Promise<unknown>;
  readonly signal?: AbortSignal;
}

interface Batch {
  readonly removed: number;
  /** Where the next one begins; null when this one was the last. */
  readonly next: Date | null;
}

/**
 * Removes rows that have expired, and answers how many. Readers need it not (an expired row is absent to them); it gives the
 * space back. Plugins take turns, batch by batch. Cores that sweep at the same time leave each other the rows that they
 * hold.
 */
export async function sweepExpired(db: Db, { pause, signal }: SweepOptions = {}): Promise<number> {
  let removed = 0;
  let waiting = (await expiredPlugins(db)).map((one) => ({ ...one, from: null as Date | null }));
  while (waiting.length > 0) {
    const further: typeof waiting = [];
    for (const one of waiting) {
      if (signal?.aborted) return removed;
      const begun = performance.now();
      const batch = await sweepBatch(db, one.plugin, one.limit, one.from);
      removed += batch.removed;
      if (batch.next === null) continue;
      further.push({ ...one, from: batch.next });
      await pause?.(performance.now() - begun);
    }
    waiting = further;
  }
  return removed;
}

/** The plugins that have expired rows, with the rows of a batch of theirs. */
async function expiredPlugins(db: Db): Promise<{ plugin: string; limit: number }[]> {
  const { rows } = await sql<{ plugin: string; limit: number }>`
    select plugin_name as plugin, greatest(1, least(${BATCH}::int, ${BATCH_BYTES}::bigint * keys / greatest(bytes, 1)))::int as limit
    from plugin_storage_usage u
    where exists (select from plugin_storage s where s.plugin_name = u.plugin_name and s.expires_at <= now())
    order by plugin_name`.execute(db);
  return rows;
}

/**
 * Removes some rows of one plugin that have expired, oldest first, but for those that another statement holds.
 *
 * @param from where the batch before ended: index entries of what is removed already are not read again
 */
export async function sweepBatch(db: Db, plugin: string, limit = BATCH, from: Date | null = null): Promise<Batch> {
  const after = from === null ? sql`true` : sql`expires_at >= ${from}`;
  const { rows } = await sql<{ expires_at: Date }>`
    delete from plugin_storage where ctid = any (array(
      select ctid from plugin_storage where plugin_name = ${plugin} and expires_at <= now() and ${after}
      order by expires_at limit ${limit} for update skip locked))
    returning expires_at`.execute(db);
  const last = rows.reduce<Date | null>(
    (latest, { expires_at: at }) => (latest === null || at > latest ? at : latest),
    null,
  );
  return { removed: rows.length, next: rows.length < limit ? null : last };
}
