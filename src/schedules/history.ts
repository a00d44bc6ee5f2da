import { sql } from 'kysely';
import type { Db } from '../db/client.ts';
import { HISTORY_LIMITS, type HistoryLimits } from './limits.ts';
import type { RunLine, RunState, Trigger } from './tick-store.ts';

/** A run as the API shows it; times are ISO 8601, UTC. */
export interface RunView {
  readonly id: number;
  readonly trigger: Trigger;
  readonly state: RunState;
  readonly attempt: number;
  /** The tick that it is for; null when an admin asked for it. */
  readonly scheduledAt: string | null;
  readonly startedAt: string | null;
  readonly endedAt: string | null;
  readonly durationMs: number | null;
  readonly error: string | null;
  /** `file:line:column` of what was thrown. */
  readonly place: string | null;
  /** Lines of the plugin's log in that time, the newest. */
  readonly log: readonly RunLine[];
}

/** The runs of a job, newest first; those of a job that is gone stay for as long as others. */
export async function listRuns(
  db: Db,
  plugin: string,
  job: string,
  { limit, before, state }: { readonly limit: number; readonly before?: number; readonly state?: RunState },
): Promise<RunView[]> {
  let query = db
    .selectFrom('job_runs')
    .selectAll()
    .where('plugin_name', '=', plugin)
    .where('job', '=', job)
    .orderBy('id', 'desc')
    .limit(limit);
  if (before !== undefined) query = query.where('id', '<', before);
  if (state !== undefined) query = query.where('state', '=', state);
  const rows = await query.execute();
  const iso = (time: Date | null) => time?.toISOString() ?? null;
  return rows.map((row) => ({
    id: row.id,
    trigger: row.trigger as Trigger,
    state: row.state as RunState,
    attempt: row.attempt,
    scheduledAt: iso(row.tick_at),
    startedAt: iso(row.started_at),
    endedAt: iso(row.ended_at),
    durationMs: row.started_at && row.ended_at ? row.ended_at.getTime() - row.started_at.getTime() : null,
    error: row.error,
    place: row.place,
    log: (row.log as RunLine[] | null) ?? [],
  }));
}

/**
 * Deletes runs that are older than their retention or too many; in batches, so that no statement holds many locks. That a
 * tick was run is still known then, by its job.
 * @returns how many went
 */
export async function pruneRuns(db: Db, limits: HistoryLimits = HISTORY_LIMITS): Promise<number> {
  let total = 0;
  for (;;) {
    const { numAffectedRows } = await sql`
      delete from job_runs where id in (
        select id from (
          select id, ended_at, row_number() over (partition by plugin_name, job order by id desc) as place from job_runs
          where state not in ('queued', 'running')
        ) runs
        where place > ${limits.perJob} or ended_at < now() - make_interval(hours => ${limits.hours}::int)
        limit ${limits.batch}
      )`.execute(db);
    const gone = Number(numAffectedRows);
    total += gone;
    if (gone < limits.batch) return total;
  }
}
