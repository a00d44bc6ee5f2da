import { sql } from 'kysely';
import type { Db } from '../db/client.ts';
import { RETENTION_LIMITS, type RetentionLimits } from './limits.ts';

/** Prunes, keeps queues within their limits, and wakes keys that a fault left asleep. */
export async function tidyEvents(db: Db, limits: RetentionLimits = RETENTION_LIMITS): Promise<void> {
  await capQueues(db, limits);
  await wakeAsleep(db);
  await pruneEvents(db, limits);
}

/**
 * Deletes what is older than its retention, and deliveries that a publisher left for a plugin as it was uninstalled; in
 * batches, so that no statement holds many locks.
 * @returns how many deliveries and events went
 */
export async function pruneEvents(
  db: Db,
  limits: Omit<RetentionLimits, 'pendingPerPlugin' | 'deadPerPlugin'> = RETENTION_LIMITS,
): Promise<{ deliveries: number; events: number }> {
  const hours = (n: number) => sql`make_interval(hours => ${n}::int)`;
  let deliveries = 0;
  for (const [state, kept] of [['done', limits.doneHours] as const, ['dead', limits.deadHours] as const]) {
    deliveries += await inBatches(limits.batch, async () => {
      const { numAffectedRows } = await sql`
        delete from deliveries where id in (
          select id from deliveries where state = ${sql.lit(state)} and settled_at < now() - ${hours(kept)}
          order by settled_at limit ${limits.batch} for update skip locked
        )`.execute(db);
      return Number(numAffectedRows);
    });
  }
  for (const plugin of await strangers(db)) {
    deliveries += await inBatches(limits.batch, async () => {
      const { numAffectedRows } = await sql`
        delete from deliveries where id in (
          select id from deliveries d
          where plugin_name = ${plugin} and not exists (select from installed_plugins p where p.name = d.plugin_name)
          limit ${limits.batch} for update skip locked
        )`.execute(db);
      return Number(numAffectedRows);
    });
  }
  return { deliveries, events: await pruneOldEvents(db, limits) };
}

interface EventPage {
  /** How many were deleted, and looked at. */
  readonly n: number;
  readonly looked: number;
  /** The last that was looked at. */
  readonly at: string;
  readonly id: string;
}

/** Page by page: those that still have a delivery are passed over once, and not with each batch. */
async function pruneOldEvents(db: Db, limits: Pick<RetentionLimits, 'eventHours' | 'batch'>): Promise<number> {
  let gone = 0;
  let page = await pruneEventPage(db, '-infinity', '00000000-0000-0000-0000-000000000000', limits);
  while (page !== undefined) {
    gone += page.n;
    page = page.looked < limits.batch ? undefined : await pruneEventPage(db, page.at, page.id, limits);
  }
  return gone;
}

async function pruneEventPage(
  db: Db,
  at: string,
  id: string,
  { eventHours, batch }: Pick<RetentionLimits, 'eventHours' | 'batch'>,
): Promise<EventPage | undefined> {
  const { rows } = await sql<EventPage>`
    with page as materialized (
      select id, created_at from events
      where (created_at, id) > (${at}::timestamptz, ${id}::uuid)
        and created_at < now() - make_interval(hours => ${eventHours}::int)
      order by created_at, id limit ${batch}
    ), gone as (
      delete from events e using page
      where e.id = page.id and not exists (select from deliveries d where d.event_id = page.id)
      returning 1
    )
    select (select count(*) from gone)::int as n, (select count(*) from page)::int as looked,
      page.created_at::text as at, page.id
    from page order by created_at desc, page.id desc limit 1`.execute(db);
  return rows[0];
}

/** Names that have deliveries but no plugin: from name to name along the index, however many deliveries there are. */
async function strangers(db: Db): Promise<string[]> {
  const { rows } = await sql<{ name: string }>`
    with recursive names as (
      (select plugin_name as name from deliveries order by plugin_name limit 1)
      union all
      select (select d.plugin_name from deliveries d where d.plugin_name > names.name order by d.plugin_name limit 1)
      from names where names.name is not null
    )
    select name from names where name is not null and name not in (select p.name from installed_plugins p)`.execute(db);
  return rows.map(({ name }) => name);
}

/**
 * What a plugin has too much of: the oldest deliveries that wait and are not held become dead letters, which an admin may
 * still redeliver; the oldest dead letters go.
 */
export async function capQueues(
  db: Db,
  limits: Pick<RetentionLimits, 'pendingPerPlugin' | 'deadPerPlugin' | 'batch'> = RETENTION_LIMITS,
): Promise<void> {
  const { pendingPerPlugin, deadPerPlugin, batch } = limits;
  const { rows: plugins } = await sql<{ name: string }>`select name from installed_plugins`.execute(db);
  for (const { name } of plugins) {
    const reason = `queue_full: more than ${pendingPerPlugin} deliveries to ${name} were waiting`;
    await inBatches(batch, () => endBeyond(db, name, 'pending', pendingPerPlugin, batch, sql`'dead', ${reason}`));
    await inBatches(batch, () => endBeyond(db, name, 'dead', deadPerPlugin, batch, sql`'dropped', null`));
  }
}

async function endBeyond(
  db: Db,
  plugin: string,
  state: 'pending' | 'dead',
  kept: number,
  batch: number,
  outcome: ReturnType<typeof sql>,
): Promise<number> {
  const { rows } = await sql<{ n: number }>`
    select end_deliveries(array(
      select d.id from deliveries d
      where d.plugin_name = ${plugin} and d.state = ${sql.lit(state)} and d.claimed_by is null and d.id <= (
        select b.id from deliveries b where b.plugin_name = ${plugin} and b.state = ${sql.lit(state)}
        order by b.id desc offset ${kept} limit 1
      )
      order by d.id limit ${batch}
    ), ${outcome}, null, null) as n`.execute(db);
  return rows[0]?.n ?? 0;
}

/** The first of each key whose turn it is though it sleeps; there is none unless the tables were changed by hand. */
async function wakeAsleep(db: Db): Promise<void> {
  const { rows } = await sql<{ name: string; keys: string[] }>`
    select p.name, array(
      with recursive keys as (
        (select ${keyAfter(sql`''`)} as key)
        union all
        select ${keyAfter(sql`keys.key`)} from keys where keys.key is not null
      )
      select k.key from keys k where 'infinity' = (
        select d.next_attempt_at from deliveries d
        where d.plugin_name = p.name and d.order_key = k.key and d.state = 'pending' order by d.id limit 1
      )
    ) as keys
    from installed_plugins p`.execute(db);
  for (const { name, keys } of rows) {
    if (keys.length === 0) continue;
    const plugins = keys.map(() => name);
    await sql`select wake_keys(${plugins}::text[], ${keys}::text[])`.execute(db);
  }
}

/** The plugin's next key along the index. */
function keyAfter(key: ReturnType<typeof sql>) {
  return sql`(
    select d.order_key from deliveries d
    where d.plugin_name = p.name and d.state = 'pending' and d.order_key >= '' and d.order_key > ${key}
    order by d.order_key limit 1
  )`;
}

async function inBatches(size: number, step: () => Promise<number>): Promise<number> {
  let total = 0;
  for (;;) {
    const gone = await step();
    total += gone;
    if (gone < size) return total;
  }
}
