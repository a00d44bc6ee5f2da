import type { JobRegistration } from '../../sandbox-apis/_kit/registrations.ts';

/** What a job is, apart from the handler, which each isolate numbers anew. */
export type JobDefinition = Omit<JobRegistration, 'kind' | 'handler'>;

/** A job as one core knows it. Another core may have another version of the plugin, and another job of the name. */
export interface JobKey {
  readonly plugin: string;
  readonly name: string;
  /** Of the package that registered it. */
  readonly digest: string;
  /** Of its definition: see `fingerprintOf`. */
  readonly fingerprint: string;
}

/** What is kept of a job. All times are milliseconds since the epoch, by the store's clock. */
export interface StoredJob {
  readonly name: string;
  /** Ticks up to here are accounted for. */
  readonly tickedAt: number;
  /** A tick of an interval, from which the others count. */
  readonly anchorAt: number;
  readonly pausedAt: number | null;
  readonly lastRunAt: number | null;
  readonly lastDurationMs: number | null;
  readonly lastError: string | null;
}

export type Trigger = 'tick' | 'catch-up' | 'manual';
/** `lost`: its core died; `aborted`: the plugin or the core was stopped. */
export type RunState = 'queued' | 'running' | 'ok' | 'failed' | 'skipped' | 'lost' | 'aborted';

/** A run that this core has, as long as it keeps its lease. */
export interface ClaimedRun {
  readonly id: number;
  readonly plugin: string;
  readonly job: string;
  /** The tick that it is for; null when an admin asked for it. */
  readonly tick: number | null;
  readonly trigger: Trigger;
  /** From 1. */
  readonly attempt: number;
  /** When it could have begun, and when it began. */
  readonly dueAt: number;
  readonly startedAt: number;
}

/** Every answer tells the store's time: a core whose clock is off corrects itself by it. */
export interface Timed {
  readonly now: number;
}

/**
 * `early`: not due by the store's clock; `taken`: accounted for already; `stale`: another version of the plugin is
 * installed, the job is gone or another, or the plugin is off; `busy`: one by hand may not run now.
 */
export type TickAnswer = Timed &
  (
    | { readonly kind: 'run'; readonly run: ClaimedRun }
    | { readonly kind: 'early' | 'taken' | 'paused' | 'stale' | 'queued' | 'skipped' }
  );
export type ManualAnswer = Timed &
  (
    | { readonly kind: 'run'; readonly run: ClaimedRun }
    | { readonly kind: 'queued'; readonly id: number }
    | { readonly kind: 'busy' | 'stale' }
  );
export type QueuedAnswer = Timed &
  ({ readonly kind: 'run'; readonly run: ClaimedRun } | { readonly kind: 'none' | 'busy' | 'stale' });
export type MissedAnswer = Timed & { readonly kind: 'noted' | 'early' | 'taken' | 'paused' | 'stale' };

export interface TickClaim {
  readonly tick: number;
  /** The tick and its jitter. */
  readonly dueAt: number;
  /** Why the tick is only accounted for, and not run; null to run it. */
  readonly skip: string | null;
}

export interface RunEnd {
  readonly state: 'ok' | 'failed' | 'aborted';
  readonly error: string | null;
  /** `file:line:column` of what was thrown, when it is known. */
  readonly place: string | null;
  readonly log: readonly RunLine[];
  /** Whether it may be tried again, should the job say so. */
  readonly again: boolean;
}

export interface RunLine {
  readonly time: string;
  readonly level: string;
  readonly message: string;
}

/** What a core looks at every few seconds. */
export interface Look extends Timed {
  readonly jobs: readonly (StoredJob & {
    readonly plugin: string;
    /** Whether runs wait that may begin now. */
    readonly waiting: boolean;
  })[];
}

/**
 * Jobs and their runs, as all cores see them. Whoever makes the row of a tick first has its run. The store's clock says
 * what is due and whose lease is over; a core's own clock only says when it looks. One store is one core's view: runs that
 * it claims are that core's. Everything may reject (the database is away); nothing has happened then, or nobody can tell.
 */
export interface TickStore {
  /**
   * Makes `jobs` jobs of the plugin; `removed` are not any more, nor are those of another package. One whose time is
   * unchanged keeps what is known of it; another begins now. A pause stays.
   * @returns `superseded` and no change when another package is installed
   */
  sync(
    plugin: string,
    digest: string,
    change: { readonly jobs: readonly JobDefinition[]; readonly removed: readonly string[] },
  ): Promise<
    Timed & ({ readonly kind: 'stored'; readonly jobs: readonly StoredJob[] } | { readonly kind: 'superseded' })
  >;
  /** Ends the jobs of a plugin that is off or gone by the tables; pauses are kept. */
  forget(plugin: string): Promise<void>;
  /** Answers `run` to one core, once. */
  claimTick(job: JobKey, claim: TickClaim): Promise<TickAnswer>;
  /** A run beside the ticks, also while the job is paused. */
  claimManual(job: JobKey): Promise<ManualAnswer>;
  /** The run of the job that has waited longest, if it may begin. */
  claimQueued(job: JobKey): Promise<QueuedAnswer>;
  /**
   * Accounts for ticks up to one that is late by more than `lateMs`.
   * @param missed.ticks are made up for, in this order
   * @param missed.dueAt of the last one
   */
  noteMissed(
    job: JobKey,
    missed: { readonly ticks: readonly number[]; readonly upTo: number; readonly dueAt: number },
  ): Promise<MissedAnswer>;
  /** Keeps the leases; answers the ids of those that are still this core's. */
  keep(ids: readonly number[]): Promise<ReadonlySet<number>>;
  /** Notes how a run ended; false when it was not this core's any more. */
  finish(run: ClaimedRun, end: RunEnd): Promise<boolean>;
  /** Notes runs whose lease is over as `lost`; answers them. */
  sweep(): Promise<readonly { readonly plugin: string; readonly job: string }[]>;
  /** @param by who pauses it; null to resume. False when there is no such job. */
  setPaused(plugin: string, name: string, by: string | null): Promise<boolean>;
  look(plugins: readonly string[]): Promise<Look>;
}

/** The part of a registration that makes the job what it is. */
export function definitionOf({ name, when, overlap, catchUp, jitterMs, retries }: JobRegistration): JobDefinition {
  return { name, when, overlap, catchUp, jitterMs, retries };
}

/** Equal for equal definitions, on every core. */
export function fingerprintOf({ when, overlap, catchUp, jitterMs, retries }: JobDefinition): string {
  const time = 'cron' in when ? [when.cron, when.timezone] : when.everyMs;
  return new Bun.CryptoHasher('sha256')
    .update(JSON.stringify([time, overlap, catchUp, jitterMs, retries]))
    .digest('hex');
}
