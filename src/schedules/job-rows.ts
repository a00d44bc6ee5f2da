import { type RawBuilder, sql } from 'kysely';
import type { Db, Trx } from '../db/client.ts';
import { fingerprintOf, type JobDefinition, type Look, type StoredJob, type TickStore } from './tick-store.ts';

interface Row {
  readonly now: Date;
  readonly name: string;
  readonly ticked_at: Date;
  readonly anchor_at: Date;
  readonly paused_at: Date | null;
  readonly last_run_at: Date | null;
  readonly last_duration_ms: number | null;
  readonly last_error: string | null;
}

/** `TickStore.sync` in SQL. */
export async function syncJobs(
  db: Db,
  plugin: string,
  digest: string,
  { jobs, removed }: { readonly jobs: readonly JobDefinition[]; readonly removed: readonly string[] },
  time: RawBuilder<Date>,
): ReturnType<TickStore['sync']> {
  const rows = JSON.stringify(
    jobs.map((job) => ({ name: job.name, fingerprint: fingerprintOf(job), definition: { ...job, name: undefined } })),
  );
  return db.transaction().execute(async (trx) => {
    // Held: an upgrade on another core comes before or after, and not between.
    const { rows: held } = await sql`
      select from installed_plugins where name = ${plugin} and package_digest = ${digest} for share`.execute(trx);
    const { rows: at } = await sql<{ now: Date }>`select ${time} as now`.execute(trx);
    const now = at[0]?.now.getTime() ?? 0;
    if (held.length === 0) return { kind: 'superseded', now } as const;
    const names = jobs.map(({ name }) => name);
    const gone = await sql<{ name: string }>`
      delete from plugin_jobs where plugin_name = ${plugin} and (
        name = any(${[...removed]}::text[]) or (digest is distinct from ${digest} and name <> all(${names}::text[]))
      ) returning name`.execute(trx);
    await abortQueued(
      trx,
      plugin,
      gone.rows.map(({ name }) => name),
      'The job is gone',
      time,
    );
    const stored = await sql<Row>`
      insert into plugin_jobs as kept (plugin_name, name, definition, digest, fingerprint, ticked_at, anchor_at)
      select ${plugin}, job.name, job.definition, ${digest}, job.fingerprint, clock.now, clock.now
      from (select ${time} as now) clock,
        jsonb_to_recordset(cast(${rows}::text as jsonb)) as job(name text, definition jsonb, fingerprint text)
      on conflict (plugin_name, name) do update set
        definition = excluded.definition,
        digest = excluded.digest,
        fingerprint = excluded.fingerprint,
        (ticked_at, anchor_at) = (
          select case when same then kept.ticked_at else excluded.ticked_at end,
            case when same then kept.anchor_at else excluded.anchor_at end
          from (select kept.fingerprint is not null
            and kept.definition -> 'when' = excluded.definition -> 'when' as same) at
        )
      returning *`.execute(trx);
    return { kind: 'stored', now, jobs: stored.rows.map(storedJob) } as const;
  });
}

/** `TickStore.forget` in SQL. */
export async function forgetJobs(db: Db, plugin: string, time: RawBuilder<Date>): Promise<void> {
  await db.transaction().execute(async (trx) => {
    const off = sql`not exists (select from installed_plugins where name = ${plugin} and enabled)`;
    const deleted = await sql<{ name: string }>`
      delete from plugin_jobs where plugin_name = ${plugin} and paused_at is null and ${off} returning name`.execute(
      trx,
    );
    const kept = await sql<{ name: string }>`
      update plugin_jobs set fingerprint = null, digest = null where plugin_name = ${plugin} and ${off}
      returning name`.execute(trx);
    const names = [...deleted.rows, ...kept.rows].map(({ name }) => name);
    await abortQueued(trx, plugin, names, 'The plugin was stopped', time);
  });
}

/** `TickStore.look` in SQL. */
export async function lookAt(db: Db, plugins: readonly string[], time: RawBuilder<Date>): Promise<Look> {
  const { rows } = await sql<Row & { plugin_name: string | null; waiting: boolean }>`
    select clock.now, j.*, exists (
      select from job_runs r
      where r.plugin_name = j.plugin_name and r.job = j.name and r.state = 'queued' and r.due_at <= clock.now
    ) as waiting
    from (select ${time} as now) clock
      left join plugin_jobs j on j.plugin_name = any(${[...plugins]}::text[]) and j.fingerprint is not null`.execute(
    db,
  );
  const now = rows[0]?.now.getTime() ?? 0;
  const jobs = rows.flatMap((row) =>
    row.plugin_name === null ? [] : [{ ...storedJob(row), plugin: row.plugin_name, waiting: row.waiting }],
  );
  return { now, jobs };
}

async function abortQueued(
  trx: Trx,
  plugin: string,
  jobs: readonly string[],
  why: string,
  time: RawBuilder<Date>,
): Promise<void> {
  if (jobs.length === 0) return;
  await sql`
    update job_runs set state = 'aborted', error = ${why}, ended_at = ${time}
    where plugin_name = ${plugin} and job = any(${[...jobs]}::text[]) and state = 'queued'`.execute(trx);
}

function storedJob(row: Row): StoredJob {
  return {
    name: row.name,
    tickedAt: row.ticked_at.getTime(),
    anchorAt: row.anchor_at.getTime(),
    pausedAt: row.paused_at?.getTime() ?? null,
    lastRunAt: row.last_run_at?.getTime() ?? null,
    lastDurationMs: row.last_duration_ms,
    lastError: row.last_error,
  };
}
