import type { ScheduleLimits } from '../../src/schedules/limits.ts';
import type { JobDefinition, JobKey, RunState, TickStore, Trigger } from '../../src/schedules/tick-store.ts';
import type { MemoryPlugins } from './memory-plugins.ts';
import { MemoryTickStore } from './memory-tick-store.ts';

/** A row of `plugin_jobs`. */
export interface JobRow {
  readonly plugin: string;
  readonly name: string;
  definition: JobDefinition;
  /** Null while the plugin is off. */
  digest: string | null;
  fingerprint: string | null;
  tickedAt: number;
  anchorAt: number;
  /** Its first row's; ticks count from then. */
  readonly createdAt: number;
  pausedAt: number | null;
  lastRunAt: number | null;
  lastDurationMs: number | null;
  lastError: string | null;
}

/** A row of `job_runs`. */
export interface RunRow {
  readonly id: number;
  readonly plugin: string;
  readonly job: string;
  readonly tick: number | null;
  readonly attempt: number;
  readonly trigger: Trigger;
  readonly dueAt: number;
  state: RunState;
  owner: string | null;
  leaseUntil: number;
  startedAt: number;
  error: string | null;
}

export interface MemoryTicksDeps {
  /** The store's clock: milliseconds since the epoch. */
  readonly now: () => number;
  readonly plugins: MemoryPlugins;
  readonly limits: ScheduleLimits;
  /** Hears of each run that a core was given, as it happens. */
  readonly claimed?: (run: RunRow) => void;
}

/** Jobs and runs in memory, as migration 0021 has them. Each call is one transaction. */
export class MemoryTicks {
  readonly jobs = new Map<string, JobRow>();
  readonly runs = new Map<number, RunRow>();
  readonly deps: MemoryTicksDeps;
  /** The unique index of `job_runs`. */
  readonly #ticks = new Set<string>();
  #ids = 0;

  constructor(deps: MemoryTicksDeps) {
    this.deps = deps;
    deps.plugins.onDelete((plugin) => {
      for (const [key, job] of this.jobs) if (job.plugin === plugin) this.jobs.delete(key);
      for (const run of this.runs.values()) {
        if (run.plugin !== plugin) continue;
        this.runs.delete(run.id);
        this.#ticks.delete(tickKey(run));
      }
    });
  }

  /** What one core sees. */
  viewOf(owner: string): TickStore {
    return new MemoryTickStore(this, owner);
  }

  liveRuns(job: Pick<JobKey, 'plugin' | 'name'>): RunRow[] {
    return [...this.runs.values()].filter(
      (run) => run.plugin === job.plugin && run.job === job.name && (run.state === 'running' || run.state === 'queued'),
    );
  }

  /** Whether the tick has a row. */
  hasTick(run: Pick<RunRow, 'plugin' | 'job' | 'tick' | 'attempt'>): boolean {
    return run.tick !== null && this.#ticks.has(tickKey(run));
  }

  insert(run: Omit<RunRow, 'id' | 'owner' | 'leaseUntil' | 'startedAt' | 'error'> & Partial<RunRow>): RunRow {
    const row: RunRow = { owner: null, leaseUntil: 0, startedAt: 0, error: null, ...run, id: ++this.#ids };
    this.runs.set(row.id, row);
    if (row.tick !== null) this.#ticks.add(tickKey(row));
    return row;
  }

  /** The first attempt of a tick. */
  runOf(plugin: string, job: string, tick: number): RunRow | undefined {
    return [...this.runs.values()].find(
      (run) => run.plugin === plugin && run.job === job && run.tick === tick && run.attempt === 1,
    );
  }

  abortQueued(plugin: string, names: ReadonlySet<string>): void {
    for (const run of this.runs.values()) {
      if (run.plugin === plugin && names.has(run.job) && run.state === 'queued') run.state = 'aborted';
    }
  }

  /** Ends a run that `owner` has; one that did not end well is queued again as often as its job says. */
  end(id: number, owner: string, state: RunState, error: string | null, again: boolean): boolean {
    const run = this.runs.get(id);
    if (run?.owner !== owner || run.state !== 'running') return false;
    const now = this.deps.now();
    Object.assign(run, { state, error });
    const job = this.jobs.get(jobKey(run.plugin, run.job));
    if (job && (job.lastRunAt ?? 0) <= run.startedAt) {
      Object.assign(job, { lastRunAt: run.startedAt, lastDurationMs: now - run.startedAt, lastError: error });
    }
    const retries = job && job.fingerprint !== null ? job.definition.retries : 0;
    const next = { ...run, attempt: run.attempt + 1 };
    if (again && state !== 'ok' && run.attempt <= retries && !this.hasTick(next)) {
      const { retryBaseMs, retryMaxMs } = this.deps.limits;
      const dueAt = now + Math.min(retryBaseMs * 2 ** (run.attempt - 1), retryMaxMs);
      const { plugin, job: name, tick, trigger } = run;
      this.insert({ plugin, job: name, tick, trigger, attempt: next.attempt, state: 'queued', dueAt });
    }
    return true;
  }
}

/** The primary key of `plugin_jobs`. */
export const jobKey = (plugin: string, name: string): string => `${plugin}\n${name}`;

function tickKey({ plugin, job, tick, attempt }: Pick<RunRow, 'plugin' | 'job' | 'tick' | 'attempt'>): string {
  return `${plugin}\n${job}\n${tick}\n${attempt}`;
}
