import { sql } from 'kysely';
import { type Db, runPrepared } from '../db/client.ts';
import type { Claim, DeliveryStore, Due } from './delivery-store.ts';
import { tidyEvents } from './retention.ts';

/** Deliveries in Postgres, whose clock decides. What must be one step is one statement or a function of migration 0020. */
export function createSqlDeliveryStore(db: Db): DeliveryStore {
  return {
    async nextDue() {
      const { rows } = await sql<Due>`
        select p.name as plugin, extract(epoch from d.next_attempt_at - clock_timestamp())::float8 * 1000 as "inMs"
        from installed_plugins p cross join lateral (
          select next_attempt_at from deliveries
          where plugin_name = p.name and state = 'pending' and next_attempt_at < 'infinity'
          order by next_attempt_at limit 1
        ) d`.execute(db);
      return rows;
    },

    async claim(owner, slots, leaseMs) {
      const rows = await runPrepared(
        db,
        'claim_deliveries',
        sql<ClaimRow>`select * from claim_deliveries(
          ${owner}::uuid, ${[...slots.keys()]}::text[], ${[...slots.values()]}::int[],
          make_interval(secs => ${leaseMs / 1000}::float8))`,
      );
      return rows.map(({ delivery, plugin, attempt, key, id, name, data, at }) => ({
        ...{ delivery, plugin, attempt, key },
        event: { id, name, data, time: at.toISOString() },
      }));
    },

    async settle(held) {
      const ids = held.map(({ delivery }) => delivery);
      await runPrepared(
        db,
        'settle_deliveries',
        sql`select end_deliveries(${ids}::bigint[], 'done', null, null, null)`,
      );
    },

    async bury(owner, { delivery, attempt }, error) {
      await sql`select end_deliveries(array[${delivery}::bigint], 'dead', ${error}::text, ${owner}::uuid, ${attempt}::int)`.execute(
        db,
      );
    },

    async retry(owner, held, error, inMs) {
      await sql`
        update deliveries
        set last_error = ${error}::text, claimed_by = null,
          next_attempt_at = clock_timestamp() + make_interval(secs => ${inMs / 1000}::float8)
        where ${holds(owner, held)}`.execute(db);
    },

    async release(owner, held, counted, inMs) {
      await sql`
        update deliveries
        set attempts = attempts - ${counted ? 0 : 1}::int, claimed_by = null,
          next_attempt_at = clock_timestamp() + make_interval(secs => ${inMs / 1000}::float8)
        where ${holds(owner, held)}`.execute(db);
    },

    tidy: () => tidyEvents(db),
  };
}

interface ClaimRow {
  readonly delivery: number;
  readonly plugin: string;
  readonly attempt: number;
  readonly key: string | null;
  readonly id: string;
  readonly name: string;
  readonly data: unknown;
  readonly at: Date;
}

/** The attempt's number fences off a claim whose lease ran out and which was taken again meanwhile. */
function holds(owner: string, held: Claim) {
  return sql`id = ${held.delivery}::bigint and claimed_by = ${owner}::uuid and attempts = ${held.attempt}::int and state = 'pending'`;
}
