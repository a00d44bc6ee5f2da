import { sql } from 'kysely';
import type { JobRegistration } from '../../sandbox-apis/_kit/registrations.ts';
import type { Db } from '../db/client.ts';

/** What is kept of a job across restarts. */
export interface JobRow {
  readonly name: string;
  /** Ticks up to here are accounted for. */
  readonly tickedAt: Date;
  readonly lastRunAt: Date | null;
  readonly lastDurationMs: number | null;
  readonly lastError: string | null;
}

/**
 * Makes `jobs` the jobs of a plugin. One whose time is unchanged keeps what is known of it; another begins at `now`.
 * @returns the rows as they are then
 */
export async function saveJobs(db: Db, plugin: string, jobs: readonly JobRegistration[], now: Date): Promise<JobRow[]> {
  const definitions = JSON.stringify(
    jobs.map(({ name, when, overlap, catchUp }) => ({ name, definition: { when, overlap, catchUp } })),
  );
  return db.transaction().execute(async (trx) => {
    const gone = trx.deleteFrom('plugin_jobs').where('plugin_name', '=', plugin);
    const names = jobs.map(({ name }) => name);
    await (names.length > 0 ? gone.where('name', 'not in', names) : gone).execute();
    const { rows } = await sql<JobRow>`
      insert into plugin_jobs as kept (plugin_name, name, definition, ticked_at)
      select ${plugin}, job.name, job.definition, ${now}::timestamptz
      from jsonb_to_recordset(cast(${definitions}::text as jsonb)) as job(name text, definition jsonb)
      on conflict (plugin_name, name) do update set
        definition = excluded.definition,
        ticked_at = case
          when kept.definition -> 'when' = excluded.definition -> 'when' then kept.ticked_at
          else excluded.ticked_at
        end
      returning name, ticked_at as "tickedAt", last_run_at as "lastRunAt",
        last_duration_ms as "lastDurationMs", last_error as "lastError"`.execute(trx);
    return rows;
  });
}

export async function deleteJobs(db: Db, plugin: string): Promise<void> {
  await db.deleteFrom('plugin_jobs').where('plugin_name', '=', plugin).execute();
}

/** Notes that a tick is accounted for, and when its run began (null: it was left out). */
export async function saveTick(db: Db, plugin: string, name: string, tick: Date, beganAt: Date | null): Promise<void> {
  await db
    .updateTable('plugin_jobs')
    .set({ ticked_at: sql`greatest(ticked_at, ${tick}::timestamptz)`, ...(beganAt && { last_run_at: beganAt }) })
    .where('plugin_name', '=', plugin)
    .where('name', '=', name)
    .execute();
}

/** Notes how a run ended. */
export async function saveOutcome(
  db: Db,
  plugin: string,
  name: string,
  outcome: { durationMs: number; error: string | null },
): Promise<void> {
  await db
    .updateTable('plugin_jobs')
    .set({ last_duration_ms: outcome.durationMs, last_error: outcome.error })
    .where('plugin_name', '=', plugin)
    .where('name', '=', name)
    .execute();
}
