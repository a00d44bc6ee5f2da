import { sql } from 'kysely';
import { CodedError } from '../../sandbox-apis/_kit/errors.ts';
import type { Db, Trx } from '../db/client.ts';

export const BULK_LIMITS = {
  /** Events or deliveries that one transaction looks at: some 20 ms, so that it holds up nobody. */
  batch: 1_000,
  /** While so many wait for the plugin, no batch adds to them: what happens now is not to wait for what once happened. */
  pending: 10_000,
  /** Unfinished jobs of one plugin. */
  running: 4,
  /** How long a finished job can be read. */
  keptDays: 30,
  /** When a job whose plugin is behind is looked at again, and how often for those of other cores, in milliseconds. */
  pauseMs: 1_000,
  pollMs: 5_000,
} as const;

export interface BulkFilter {
  /** Events from this time on, ISO 8601. */
  readonly from?: string;
  /** Events before this time. */
  readonly to?: string;
  /** An event name, or `prefix.*`. */
  readonly pattern?: string;
  /** Of deliveries; `missing` stands for events without one to this plugin. */
  readonly states?: readonly ('missing' | 'pending' | 'done' | 'dead')[];
}

export type BulkKind = 'replay' | 'redeliver' | 'drop';
export type BulkState = 'running' | 'done' | 'cancelled';

/** Where a job is: the last that it looked at. */
export interface Cursor {
  /** When the event was published. */
  readonly at: string;
  /** Of an event for a replay, else of a delivery. */
  readonly id: string;
}

export interface BulkJob {
  readonly id: string;
  readonly plugin: string;
  readonly kind: BulkKind;
  readonly filter: BulkFilter;
  readonly state: BulkState;
  readonly cursor: Cursor | null;
  readonly looked: number;
  readonly changed: number;
  readonly createdBy: string;
  /** To the microsecond. */
  readonly createdAt: string;
  readonly updatedAt: string;
}

const COLUMNS = sql`id, plugin_name as plugin, kind, filter, state, cursor, looked, changed, created_by as "createdBy",
  to_json(created_at) #>> '{}' as "createdAt", to_json(updated_at) #>> '{}' as "updatedAt"`;

/**
 * Makes a job that the cores begin at once.
 * @throws CodedError `conflict` when the plugin has too many
 */
export async function createBulkJob(
  trx: Trx,
  { plugin, kind, filter, createdBy }: Pick<BulkJob, 'plugin' | 'kind' | 'filter' | 'createdBy'>,
): Promise<BulkJob> {
  await sql`
    delete from delivery_jobs
    where plugin_name = ${plugin} and state <> 'running'
      and updated_at < now() - make_interval(days => ${BULK_LIMITS.keptDays}::int)`.execute(trx);
  // A replay ends where it began: events that come meanwhile are delivered anyway.
  const { rows } = await sql<BulkJob>`
    insert into delivery_jobs (id, plugin_name, kind, filter, created_by)
    select ${Bun.randomUUIDv7()}::uuid, ${plugin}, ${kind},
      jsonb_build_object('to', now()) || ${JSON.stringify(filter)}::jsonb, ${createdBy}
    where (select count(*) from delivery_jobs where plugin_name = ${plugin} and state = 'running') < ${BULK_LIMITS.running}
    returning ${COLUMNS}`.execute(trx);
  const [job] = rows;
  if (job !== undefined) return job;
  throw new CodedError(
    'conflict',
    `${plugin} has ${BULK_LIMITS.running} unfinished jobs on its deliveries; wait for one or cancel one`,
  );
}

/** The newest first, at most 100. */
export async function listBulkJobs(db: Db, plugin: string): Promise<BulkJob[]> {
  const { rows } = await sql<BulkJob>`
    select ${COLUMNS} from delivery_jobs where plugin_name = ${plugin} order by created_at desc limit 100`.execute(db);
  return rows;
}

/** @throws CodedError `not_found` */
export async function findBulkJob(db: Db, plugin: string, id: string): Promise<BulkJob> {
  const { rows } = await sql<BulkJob>`
    select ${COLUMNS} from delivery_jobs where plugin_name = ${plugin} and id = ${id}::uuid`.execute(db);
  return rows[0] ?? notFound(plugin, id);
}

/**
 * Ends a job; what it has done stays.
 * @throws CodedError `not_found`, `conflict` when it has ended
 */
export async function cancelBulkJob(trx: Trx, plugin: string, id: string): Promise<void> {
  const { rows } = await sql<{ state: BulkState }>`
    select state from delivery_jobs where plugin_name = ${plugin} and id = ${id}::uuid for update`.execute(trx);
  const state = rows[0]?.state ?? notFound(plugin, id);
  if (state !== 'running') throw new CodedError('conflict', `Job ${id} is ${state} already`);
  await sql`update delivery_jobs set state = 'cancelled', updated_at = clock_timestamp() where id = ${id}::uuid`.execute(
    trx,
  );
}

/** Locks the running job that was longest without a batch; null when there is none that no one works on. */
export async function takeBulkJob(trx: Trx): Promise<BulkJob | null> {
  const { rows } = await sql<BulkJob>`
    select ${COLUMNS} from delivery_jobs where state = 'running'
    order by delivery_jobs.updated_at limit 1 for update skip locked`.execute(trx);
  return rows[0] ?? null;
}

/** Notes what a batch came to. */
export async function noteStep(
  trx: Trx,
  id: string,
  { looked, changed, cursor, done }: { looked: number; changed: number; cursor: Cursor | null; done: boolean },
): Promise<void> {
  await sql`
    update delivery_jobs
    set looked = looked + ${looked}::int, changed = changed + ${changed}::int, updated_at = clock_timestamp(),
      cursor = coalesce(${cursor === null ? null : JSON.stringify(cursor)}::jsonb, cursor),
      state = ${done ? 'done' : 'running'}
    where id = ${id}::uuid`.execute(trx);
}

function notFound(plugin: string, id: string): never {
  throw new CodedError('not_found', `Plugin ${plugin} has no job ${id} on its deliveries`);
}
