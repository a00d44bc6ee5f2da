import { sql } from 'kysely';
import type { Db } from '../db/client.ts';
import { RETENTION_LIMITS, type RetentionLimits } from './limits.ts';

/**
 * Deletes what is older than its retention, and deliveries that a publisher left for a plugin as it was uninstalled; in
 * batches, so that no statement holds many locks.
 * @returns how many deliveries and events went
 */
export async function pruneEvents(
  db: Db,
  limits: RetentionLimits = RETENTION_LIMITS,
): Promise<{ deliveries: number; events: number }> {
  const hours = (n: number) => sql`make_interval(hours => ${n}::int)`;
  const deliveries = await inBatches(limits.batch, async () => {
    const { numAffectedRows } = await sql`
      delete from deliveries where id in (
        select id from deliveries d
        where (state = 'done' and settled_at < now() - ${hours(limits.doneHours)})
          or (state = 'dead' and settled_at < now() - ${hours(limits.deadHours)})
          or not exists (select from installed_plugins p where p.name = d.plugin_name)
        limit ${limits.batch} for update skip locked
      )`.execute(db);
    return Number(numAffectedRows);
  });
  const events = await inBatches(limits.batch, async () => {
    const { numAffectedRows } = await sql`
      delete from events where id in (
        select id from events e
        where created_at < now() - ${hours(limits.eventHours)}
          and not exists (select from deliveries d where d.event_id = e.id)
        limit ${limits.batch} for update skip locked
      )`.execute(db);
    return Number(numAffectedRows);
  });
  return { deliveries, events };
}

async function inBatches(size: number, step: () => Promise<number>): Promise<number> {
  let total = 0;
  for (;;) {
    const gone = await step();
    total += gone;
    if (gone < size) return total;
  }
}
