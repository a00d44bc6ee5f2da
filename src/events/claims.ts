import { sql } from 'kysely';
import type { Db } from '../db/client.ts';

/** A delivery that this process holds until `settle`, `retry`, `release` or the end of the lease. */
export interface Claim {
  readonly delivery: number;
  readonly plugin: string;
  readonly attempt: number;
  readonly event: { readonly id: string; readonly name: string; readonly data: unknown; readonly time: string };
}

/** Each installed plugin with something pending, and the milliseconds until the first of it is due (negative: overdue). */
export async function nextDue(db: Db): Promise<{ plugin: string; inMs: number }[]> {
  const { rows } = await sql<{ plugin: string; inMs: number }>`
    select p.name as plugin, extract(epoch from d.next_attempt_at - clock_timestamp())::float8 * 1000 as "inMs"
    from installed_plugins p cross join lateral (
      select next_attempt_at from deliveries
      where plugin_name = p.name and state = 'pending'
      order by next_attempt_at limit 1
    ) d`.execute(db);
  return rows;
}

/** Claims up to `slots` due deliveries of each plugin, oldest first, and counts an attempt on each. */
export async function claim(
  db: Db,
  owner: string,
  slots: ReadonlyMap<string, number>,
  leaseMs: number,
): Promise<Claim[]> {
  const { rows } = await sql<{
    delivery: number;
    plugin: string;
    attempt: number;
    id: string;
    name: string;
    data: unknown;
    time: Date;
  }>`
    with due as (
      select d.id from unnest(${[...slots.keys()]}::text[], ${[...slots.values()]}::int[]) as wanted(plugin, slots)
      cross join lateral (
        select id from deliveries
        where plugin_name = wanted.plugin and state = 'pending' and next_attempt_at <= clock_timestamp()
        order by next_attempt_at, id limit wanted.slots
        for update skip locked
      ) d
    ), claimed as (
      update deliveries d
      set claimed_by = ${owner}, attempts = d.attempts + 1,
        next_attempt_at = clock_timestamp() + make_interval(secs => ${leaseMs / 1000}::float8)
      from due where d.id = due.id
      returning d.id, d.plugin_name, d.attempts, d.event_id
    )
    select c.id as delivery, c.plugin_name as plugin, c.attempts as attempt,
      e.id, e.name, e.data, e.created_at as time
    from claimed c join events e on e.id = c.event_id
    order by c.id`.execute(db);
  return rows.map(({ delivery, plugin, attempt, id, name, data, time }) => ({
    delivery,
    plugin,
    attempt,
    event: { id, name, data, time: time.toISOString() },
  }));
}

/** Ends a claim for good, as delivered (`error` null) or as a dead letter. */
export async function settle(db: Db, owner: string, held: Claim, error: string | null): Promise<void> {
  await sql`
    update deliveries
    set state = ${error === null ? 'done' : 'dead'}, last_error = coalesce(${error}::text, last_error),
      settled_at = now(), claimed_by = null
    where ${holds(owner, held)}`.execute(db);
}

/** Gives a claim back to be tried again in `inMs`. */
export async function retry(db: Db, owner: string, held: Claim, error: string, inMs: number): Promise<void> {
  await sql`
    update deliveries
    set last_error = ${error}::text, claimed_by = null,
      next_attempt_at = clock_timestamp() + make_interval(secs => ${inMs / 1000}::float8)
    where ${holds(owner, held)}`.execute(db);
}

/** Gives a claim back without an error of the plugin; `counted`: whether the attempt had begun and so counts. */
export async function release(db: Db, owner: string, held: Claim, counted: boolean, inMs: number): Promise<void> {
  await sql`
    update deliveries
    set attempts = attempts - ${counted ? 0 : 1}::int, claimed_by = null,
      next_attempt_at = clock_timestamp() + make_interval(secs => ${inMs / 1000}::float8)
    where ${holds(owner, held)}`.execute(db);
}

/** The attempt's number fences off a claim whose lease ran out and which was taken again meanwhile. */
function holds(owner: string, held: Claim) {
  return sql`id = ${held.delivery}::bigint and claimed_by = ${owner}::uuid and attempts = ${held.attempt}::int and state = 'pending'`;
}
