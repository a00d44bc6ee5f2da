import { sql } from 'kysely';
import type { Db } from '../db/client.ts';

/** Rows of one statement: short enough that a writer who waits for its locks hardly notices. */
const BATCH = 1_000;
/** Held by the one sweeper: two at once would lock the usage rows of several plugins in different orders. */
const LOCK = sql`hashtext('streamspace.storage.sweep')`;

/**
 * Removes rows that have expired, of one plugin or of all, and answers how many. Readers need it not (an expired row is
 * absent to them); it gives the space back.
 */
export async function sweepExpired(db: Db, plugin?: string): Promise<number> {
  const whose = plugin === undefined ? sql`true` : sql`plugin_name = ${plugin}`;
  let removed = 0;
  for (;;) {
    const batch = await db.transaction().execute(async (trx) => {
      const lock = plugin === undefined ? sql`pg_try_advisory_xact_lock(${LOCK})` : sql`true`;
      const { rows } = await sql<{ mine: boolean }>`select ${lock} as mine`.execute(trx);
      if (!rows[0]?.mine) return 0;
      const { numAffectedRows } = await sql`
        delete from plugin_storage where (plugin_name, key) in (
          select plugin_name, key from plugin_storage where expires_at <= now() and ${whose}
          limit ${BATCH} for update skip locked)`.execute(trx);
      return Number(numAffectedRows ?? 0);
    });
    removed += batch;
    if (batch < BATCH) return removed;
  }
}
