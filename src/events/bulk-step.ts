import { sql } from 'kysely';
import type { Trx } from '../db/client.ts';
import { BULK_LIMITS, type BulkJob, type Cursor } from './bulk-jobs.ts';

/** What one batch of a job came to. */
export interface Step {
  readonly looked: number;
  readonly changed: number;
  /** The last that was looked at; null when there was none. */
  readonly last: Cursor | null;
}

/** Does the next batch of a job. */
export function step(trx: Trx, job: BulkJob): Promise<Step> {
  return job.kind === 'replay' ? replay(trx, job) : change(trx, job);
}

/** Whether so many deliveries wait for the plugin that more should not be added now. */
export async function isBehind(trx: Trx, plugin: string): Promise<boolean> {
  const { rows } = await sql<{ n: number }>`
    select count(*)::int as n from (
      select from deliveries where plugin_name = ${plugin} and state = 'pending' limit ${BULK_LIMITS.pending}
    ) as counted`.execute(trx);
  return (rows[0]?.n ?? 0) >= BULK_LIMITS.pending;
}

const RESULT = sql`
  select (select count(*) from changed)::int as changed, (select count(*) from page)::int as looked,
    (select json_build_object('at', p.at, 'id', p.id) from page p order by p.n desc limit 1) as last`;

/** Events of the time range that the plugin's subscriptions match now become pending deliveries, those of old included. */
async function replay(trx: Trx, { plugin, filter, cursor }: BulkJob): Promise<Step> {
  const { from, to, pattern = null, states = ['missing', 'done', 'dead'] } = filter;
  const after = cursor ?? { at: from ?? '-infinity', id: '00000000-0000-0000-0000-000000000000' };
  const { rows } = await sql<Step>`
    with page as materialized (
      select id, name, data, created_at as at, row_number() over (order by created_at, id) as n from events
      where (created_at, id) > (${after.at}::timestamptz, ${after.id}::uuid) and created_at < ${to}::timestamptz
      order by created_at, id limit ${BULK_LIMITS.batch}
    ), changed as (
      insert into deliveries (event_id, plugin_name, order_key)
      select p.id, ${plugin}, s.key
      from page p cross join lateral (
        select order_key_of(p.data, s.order_by) as key from plugin_subscriptions s
        where s.plugin_name = ${plugin} and pattern_covers(s.pattern, p.name)
        order by s.order_by is null, length(s.pattern) desc limit 1
      ) s
      where (${pattern}::text is null or pattern_covers(${pattern}::text, p.name))
        and ('missing' = any(${states}::text[])
          or exists (select from deliveries d where d.event_id = p.id and d.plugin_name = ${plugin}))
      order by p.n
      on conflict (event_id, plugin_name) do update
      set state = 'pending', attempts = 0, next_attempt_at = clock_timestamp(), settled_at = null
      where deliveries.state <> 'pending' and deliveries.state = any(${states}::text[])
      returning 1
    ) ${RESULT}`.execute(trx);
  return rows[0] ?? { looked: 0, changed: 0, last: null };
}

/** Deliveries that were in one of the states when the job was made become pending, or go. */
async function change(trx: Trx, { plugin, kind, filter, cursor, createdAt }: BulkJob): Promise<Step> {
  const { from = null, to = null, pattern = null, states = ['dead'] } = filter;
  const page = sql`
    with page as materialized (
      select d.id, e.name, e.created_at as at, d.id as n from deliveries d join events e on e.id = d.event_id
      where d.plugin_name = ${plugin} and d.state = any(${states}::text[]) and d.id > ${cursor?.id ?? 0}::bigint
        and d.created_at <= ${createdAt}::timestamptz
      order by d.id limit ${BULK_LIMITS.batch}
    ), chosen as materialized (
      select p.id from page p
      where (${pattern}::text is null or pattern_covers(${pattern}::text, p.name))
        and (${from}::timestamptz is null or p.at >= ${from}::timestamptz)
        and (${to}::timestamptz is null or p.at < ${to}::timestamptz)
    )`;
  const statement =
    kind === 'redeliver'
      ? sql<Step>`${page}, changed as (
          update deliveries d set state = 'pending', attempts = 0, next_attempt_at = clock_timestamp(), settled_at = null
          from chosen c where d.id = c.id and d.state <> 'pending' returning 1
        ) ${RESULT}`
      : sql<Step>`${page}, changed as (
          select generate_series(1, end_deliveries(array(select id from chosen), 'dropped', null, null, null))
        ) ${RESULT}`;
  const { rows } = await statement.execute(trx);
  return rows[0] ?? { looked: 0, changed: 0, last: null };
}
