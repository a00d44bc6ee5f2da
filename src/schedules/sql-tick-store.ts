import { type RawBuilder, sql } from 'kysely';
import { type Db, runPrepared } from '../db/client.ts';
import { forgetJobs, lookAt, syncJobs } from './job-rows.ts';
import { SCHEDULE_LIMITS, type ScheduleLimits } from './limits.ts';
import type { ClaimedRun, JobKey, TickStore, Trigger } from './tick-store.ts';

export interface SqlTickStoreDeps {
  readonly db: Db;
  /** This core, among all. */
  readonly owner: string;
  readonly limits?: ScheduleLimits;
  /** The database's clock, as an SQL expression. */
  readonly time?: () => RawBuilder<Date>;
}

interface Verdict {
  readonly verdict: string;
  readonly now: Date;
  readonly run?: number | null;
}

/** The store of ticks in Postgres; its rules are functions of migration 0021, so that each claim is one round trip. */
export function createSqlTickStore({ db, owner, limits = SCHEDULE_LIMITS, ...deps }: SqlTickStoreDeps): TickStore {
  const time = deps.time ?? (() => sql<Date>`clock_timestamp()`);
  const { leaseMs, overlapping, waiting, retryBaseMs, retryMaxMs } = limits;

  /** One statement: the verdict of `claim`, the run that it made, and the time. */
  async function claim(name: string, call: (now: RawBuilder<Date>) => RawBuilder<unknown>) {
    const rows = await runPrepared<Verdict>(
      db,
      name,
      sql<Verdict>`
        select answer.*, clock.now
        from (select ${time()} as now) clock, lateral ${call(sql<Date>`clock.now`)} answer`,
    );
    const row = rows[0];
    if (row === undefined) throw new Error('a claim had no answer');
    return { kind: row.verdict, id: row.run ?? 0, now: row.now.getTime() };
  }

  const keyOf = ({ plugin, name, digest, fingerprint }: JobKey) =>
    sql`${plugin}::text, ${name}::text, ${digest}::text, ${fingerprint}::text`;

  return {
    sync: (plugin, digest, change) => syncJobs(db, plugin, digest, change, time()),
    forget: (plugin) => forgetJobs(db, plugin, time()),

    async claimTick(job, { tick, dueAt, skip }) {
      const { kind, id, now } = await claim(
        'jobs.claim-tick',
        (at) => sql`claim_job_run(${keyOf(job)}, ${new Date(tick)}::timestamptz, ${new Date(dueAt)}::timestamptz,
          ${skip}::text, ${owner}::uuid, ${leaseMs}::int, ${overlapping}::int, ${waiting}::int, ${at})`,
      );
      if (kind !== 'run') return { kind: kind as 'early', now };
      const run = { id, plugin: job.plugin, job: job.name, tick, trigger: 'tick', attempt: 1 } as const;
      return { kind, now, run: { ...run, dueAt, startedAt: now } };
    },

    async claimManual(job) {
      const { kind, id, now } = await claim(
        'jobs.claim-manual',
        (at) => sql`claim_job_run(${keyOf(job)}, null, ${at}, null, ${owner}::uuid, ${leaseMs}::int,
          ${overlapping}::int, ${waiting}::int, ${at})`,
      );
      if (kind === 'queued') return { kind, now, id };
      if (kind !== 'run') return { kind: kind as 'busy' | 'stale', now };
      const run = { id, plugin: job.plugin, job: job.name, tick: null, trigger: 'manual' } as const;
      return { kind, now, run: { ...run, attempt: 1, dueAt: now, startedAt: now } };
    },

    async claimQueued(job) {
      const { kind, id, now } = await claim(
        'jobs.claim-queued',
        (at) => sql`claim_queued_job_run(${keyOf(job)}, ${owner}::uuid, ${leaseMs}::int, ${overlapping}::int, ${at})`,
      );
      if (kind !== 'run') return { kind: kind as 'none' | 'busy' | 'stale', now };
      const row = await db
        .selectFrom('job_runs')
        .select(['tick_at', 'trigger', 'attempt', 'due_at'])
        .where('id', '=', id)
        .executeTakeFirstOrThrow();
      const run: ClaimedRun = {
        id,
        plugin: job.plugin,
        job: job.name,
        tick: row.tick_at?.getTime() ?? null,
        trigger: row.trigger as Trigger,
        attempt: row.attempt,
        dueAt: row.due_at.getTime(),
        startedAt: now,
      };
      return { kind, now, run };
    },

    async noteMissed(job, { ticks, upTo, dueAt }) {
      const { kind, now } = await claim(
        'jobs.note-missed',
        (
          at,
        ) => sql`note_missed_ticks(${keyOf(job)}, ${ticks.map((tick) => new Date(tick).toISOString())}::timestamptz[],
          ${new Date(upTo)}::timestamptz, ${new Date(dueAt + limits.lateMs)}::timestamptz, ${at})`,
      );
      return { kind: kind as 'noted', now };
    },

    async keep(ids) {
      const { rows } = await sql<{ id: number }>`
        update job_runs set lease_until = ${time()} + ${leaseMs}::int * interval '1 ms'
        where id = any(${[...ids]}::bigint[]) and owner = ${owner}::uuid and state = 'running' and lease_until > ${time()}
        returning id`.execute(db);
      return new Set(rows.map(({ id }) => id));
    },

    async finish(run, { state, error, place, log, again }) {
      const { rows } = await sql<{ ended: boolean }>`
        select end_job_run(${run.id}::bigint, ${owner}::uuid, ${state}, ${error}::text, ${place}::text,
          ${log.length === 0 ? null : JSON.stringify(log)}::jsonb, ${again}, ${retryBaseMs}::int, ${retryMaxMs}::int,
          ${time()}) as ended`.execute(db);
      return rows[0]?.ended ?? false;
    },

    async sweep() {
      const { rows } = await sql<{ plugin: string; job: string; lost: boolean }>`
        with over as materialized (
          select id, owner, plugin_name, job from job_runs where state = 'running' and lease_until <= ${time()}
          order by lease_until limit ${SWEPT} for update skip locked
        )
        select plugin_name as plugin, job, end_job_run(id, owner, 'lost', 'the core that ran it was lost', null, null,
          true, ${retryBaseMs}::int, ${retryMaxMs}::int, ${time()}) as lost
        from over`.execute(db);
      return rows.filter(({ lost }) => lost).map(({ plugin, job }) => ({ plugin, job }));
    },

    async setPaused(plugin, name, by) {
      const { numAffectedRows } = await sql`
        update plugin_jobs set
          paused_at = case when ${by}::text is null then null else coalesce(paused_at, ${time()}) end,
          paused_by = ${by}::text,
          -- What was due meanwhile is not made up for.
          ticked_at = case when paused_at is null then ticked_at else greatest(ticked_at, ${time()}) end
        where plugin_name = ${plugin} and name = ${name} and fingerprint is not null`.execute(db);
      return numAffectedRows === 1n;
    },

    look: (plugins) => lookAt(db, plugins, time()),
  };
}

/** Runs that one sweep notes as lost: the next comes in seconds. */
const SWEPT = 200;
