import {
  type ClaimedRun,
  fingerprintOf,
  type JobKey,
  type Look,
  type ManualAnswer,
  type MissedAnswer,
  type QueuedAnswer,
  type RunEnd,
  type StoredJob,
  type TickAnswer,
  type TickClaim,
  type TickStore,
} from '../../src/schedules/tick-store.ts';
import { type JobRow, jobKey, type MemoryTicks, type RunRow } from './memory-ticks.ts';

/** One core's view of jobs and runs in memory: what `TickStore` promises, written down as plainly as can be. */
export class MemoryTickStore implements TickStore {
  readonly #tables: MemoryTicks;
  readonly #owner: string;

  constructor(tables: MemoryTicks, owner: string) {
    this.#tables = tables;
    this.#owner = owner;
  }

  async sync(...[plugin, digest, { jobs, removed }]: Parameters<TickStore['sync']>): ReturnType<TickStore['sync']> {
    const now = this.#now();
    const tables = this.#tables;
    if (tables.deps.plugins.rows.get(plugin)?.digest !== digest) return { kind: 'superseded', now };
    const names = new Set(jobs.map(({ name }) => name));
    const gone = new Set<string>();
    for (const [key, job] of tables.jobs) {
      if (job.plugin !== plugin) continue;
      if (!removed.includes(job.name) && (job.digest === digest || names.has(job.name))) continue;
      tables.jobs.delete(key);
      gone.add(job.name);
    }
    tables.abortQueued(plugin, gone);
    const stored = jobs.map((definition) => {
      const key = jobKey(plugin, definition.name);
      const kept = tables.jobs.get(key);
      const same =
        kept !== undefined && kept.fingerprint !== null && Bun.deepEquals(kept.definition.when, definition.when);
      const row: JobRow = {
        ...{ pausedAt: null, lastRunAt: null, lastDurationMs: null, lastError: null },
        ...{ tickedAt: now, anchorAt: now, createdAt: now },
        ...(kept && { ...kept, ...(!same && { tickedAt: now, anchorAt: now }) }),
        ...{ plugin, name: definition.name, definition, digest, fingerprint: fingerprintOf(definition) },
      };
      tables.jobs.set(key, row);
      return storedJob(row);
    });
    return { kind: 'stored', now, jobs: stored };
  }

  async forget(plugin: string): Promise<void> {
    const tables = this.#tables;
    if (tables.deps.plugins.rows.get(plugin)?.enabled) return;
    const names = new Set<string>();
    for (const [key, job] of tables.jobs) {
      if (job.plugin !== plugin) continue;
      names.add(job.name);
      if (job.pausedAt === null) tables.jobs.delete(key);
      else Object.assign(job, { digest: null, fingerprint: null });
    }
    tables.abortQueued(plugin, names);
  }

  async claimTick(key: JobKey, { tick, dueAt, skip }: TickClaim): Promise<TickAnswer> {
    const now = this.#now();
    if (dueAt > now) return { kind: 'early', now };
    const { plugin, name } = key;
    if (this.#tables.hasTick({ plugin, job: name, tick, attempt: 1 })) return { kind: 'taken', now };
    const job = this.#hold(key);
    if (job === null) return { kind: 'stale', now };
    if (tick <= job.tickedAt) return { kind: 'taken', now };
    if (job.pausedAt !== null) return { kind: 'paused', now };
    job.tickedAt = tick;
    const kind = skip !== null ? 'skipped' : this.#verdict(key, job);
    const common = { plugin, job: name, tick, attempt: 1, trigger: 'tick', dueAt } as const;
    if (kind === 'run') return { kind, now, run: this.#begin(this.#tables.insert({ ...common, state: 'running' })) };
    this.#tables.insert({ ...common, state: kind, error: skip });
    return { kind, now };
  }

  async claimManual(key: JobKey): Promise<ManualAnswer> {
    const now = this.#now();
    const job = this.#hold(key);
    if (job === null) return { kind: 'stale', now };
    const kind = this.#verdict(key, job);
    if (kind === 'skipped') return { kind: 'busy', now };
    const common = {
      plugin: key.plugin,
      job: key.name,
      tick: null,
      attempt: 1,
      trigger: 'manual',
      dueAt: now,
    } as const;
    if (kind === 'queued') return { kind, now, id: this.#tables.insert({ ...common, state: kind }).id };
    return { kind, now, run: this.#begin(this.#tables.insert({ ...common, state: 'running' })) };
  }

  async claimQueued(key: JobKey): Promise<QueuedAnswer> {
    const now = this.#now();
    const job = this.#hold(key);
    if (job === null) return { kind: 'stale', now };
    const live = this.#tables.liveRuns(key);
    if (this.#running(live) >= this.#sideBySide(job)) return { kind: 'busy', now };
    const waiting = live.filter(
      (run) => run.state === 'queued' && run.dueAt <= now && (job.pausedAt === null || run.trigger === 'manual'),
    );
    const first = waiting.sort((a, b) => a.dueAt - b.dueAt || a.id - b.id)[0];
    return first === undefined ? { kind: 'none', now } : { kind: 'run', now, run: this.#begin(first) };
  }

  async noteMissed(
    key: JobKey,
    { ticks, upTo, dueAt }: { readonly ticks: readonly number[]; readonly upTo: number; readonly dueAt: number },
  ): Promise<MissedAnswer> {
    const now = this.#now();
    if (dueAt + this.#tables.deps.limits.lateMs > now) return { kind: 'early', now };
    const job = this.#hold(key);
    if (job === null) return { kind: 'stale', now };
    if (job.pausedAt !== null) return { kind: 'paused', now };
    if (upTo <= job.tickedAt) return { kind: 'taken', now };
    for (const tick of ticks) {
      const run = { plugin: key.plugin, job: key.name, tick, attempt: 1 };
      if (tick <= job.tickedAt || this.#tables.hasTick(run)) continue;
      this.#tables.insert({ ...run, trigger: 'catch-up', state: 'queued', dueAt: now });
    }
    job.tickedAt = upTo;
    return { kind: 'noted', now };
  }

  async keep(ids: readonly number[]): Promise<ReadonlySet<number>> {
    const kept = new Set<number>();
    for (const id of ids) {
      const run = this.#tables.runs.get(id);
      if (run?.owner !== this.#owner || run.state !== 'running' || run.leaseUntil <= this.#now()) continue;
      run.leaseUntil = this.#now() + this.#tables.deps.limits.leaseMs;
      kept.add(id);
    }
    return kept;
  }

  async finish(run: ClaimedRun, { state, error, again }: RunEnd): Promise<boolean> {
    return this.#tables.end(run.id, this.#owner, state, error, again);
  }

  async sweep(): Promise<readonly { readonly plugin: string; readonly job: string }[]> {
    const now = this.#now();
    const over = [...this.#tables.runs.values()].filter((run) => run.state === 'running' && run.leaseUntil <= now);
    return over
      .filter(({ id, owner }) => this.#tables.end(id, owner ?? '', 'lost', 'the core that ran it was lost', true))
      .map(({ plugin, job }) => ({ plugin, job }));
  }

  async setPaused(plugin: string, name: string, by: string | null): Promise<boolean> {
    const job = this.#tables.jobs.get(jobKey(plugin, name));
    if (job === undefined || job.fingerprint === null) return false;
    if (job.pausedAt !== null) job.tickedAt = Math.max(job.tickedAt, this.#now());
    job.pausedAt = by === null ? null : (job.pausedAt ?? this.#now());
    return true;
  }

  async look(plugins: readonly string[]): Promise<Look> {
    const now = this.#now();
    const jobs = [...this.#tables.jobs.values()].filter(
      ({ plugin, fingerprint }) => fingerprint !== null && plugins.includes(plugin),
    );
    const isWaiting = (job: JobRow): boolean =>
      this.#tables.liveRuns(job).some((run) => run.state === 'queued' && run.dueAt <= now);
    return { now, jobs: jobs.map((job) => ({ ...storedJob(job), plugin: job.plugin, waiting: isWaiting(job) })) };
  }

  #now(): number {
    return this.#tables.deps.now();
  }

  /** Null unless the job is what the asking core has, of the version that is installed now. */
  #hold({ plugin, name, digest, fingerprint }: JobKey): JobRow | null {
    const job = this.#tables.jobs.get(jobKey(plugin, name));
    const installed = this.#tables.deps.plugins.rows.get(plugin);
    const isIt = job?.digest === digest && job.fingerprint === fingerprint;
    return job && isIt && installed?.enabled && installed.digest === digest ? job : null;
  }

  #verdict(key: JobKey, job: JobRow): 'run' | 'queued' | 'skipped' {
    const live = this.#tables.liveRuns(key);
    const queued = live.filter(({ state }) => state === 'queued').length;
    const isQueue = job.definition.overlap === 'queue';
    if (this.#running(live) < this.#sideBySide(job) && (!isQueue || queued === 0)) return 'run';
    return isQueue && queued < this.#tables.deps.limits.waiting ? 'queued' : 'skipped';
  }

  #running(live: readonly RunRow[]): number {
    return live.filter((run) => run.state === 'running' && run.leaseUntil > this.#now()).length;
  }

  #sideBySide({ definition }: JobRow): number {
    return definition.overlap === 'allow' ? this.#tables.deps.limits.overlapping : 1;
  }

  #begin(run: RunRow): ClaimedRun {
    const now = this.#now();
    const leaseUntil = now + this.#tables.deps.limits.leaseMs;
    Object.assign(run, { state: 'running', owner: this.#owner, startedAt: now, leaseUntil });
    this.#tables.deps.claimed?.(run);
    const { id, plugin, job, tick, trigger, attempt, dueAt } = run;
    return { id, plugin, job, tick, trigger, attempt, dueAt, startedAt: now };
  }
}

function storedJob({ name, tickedAt, anchorAt, pausedAt, lastRunAt, lastDurationMs, lastError }: JobRow): StoredJob {
  return { name, tickedAt, anchorAt, pausedAt, lastRunAt, lastDurationMs, lastError };
}
