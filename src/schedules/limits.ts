/** How jobs run, as data. Times in milliseconds. */
export interface ScheduleLimits {
  /** One run, by the core's clock. */
  readonly runDeadlineMs: number;
  /** Runs of one job at a time under `overlap: 'allow'`, over all cores; further ticks are left out. */
  readonly overlapping: number;
  /** Runs of one job that wait under `overlap: 'queue'`; further ticks are left out. */
  readonly waiting: number;
  /** The longest sleep, so that a clock that was set or a machine that slept is noticed. */
  readonly maxSleepMs: number;
  /** A tick that nobody looked at for so long is a missed one, for `catchUp`. */
  readonly lateMs: number;
  /** The most ticks that `catchUp: 'all'` makes up for: the newest ones. */
  readonly catchUps: number;
  /** A run whose core does not keep it for so long is lost. */
  readonly leaseMs: number;
  /** How often leases are kept. */
  readonly keepMs: number;
  /** How often a core looks at what no hint told it: leases that are over, runs that wait, pauses. */
  readonly reconcileMs: number;
  /** The wait before a statement that failed is tried again. */
  readonly againMs: number;
  /** Times that the end of a run is tried to be noted; after that its lease ends and it counts as lost. */
  readonly endTries: number;
  /** The wait before a run is tried again; doubled with each, up to the second. */
  readonly retryBaseMs: number;
  readonly retryMaxMs: number;
  /** How long `stop` waits for runs before it aborts them, and once more after it. */
  readonly drainMs: number;
}

export const SCHEDULE_LIMITS: ScheduleLimits = {
  runDeadlineMs: 300_000,
  overlapping: 10,
  // As many as jobs: a job that falls behind this far does not catch up by itself.
  waiting: 100,
  maxSleepMs: 60_000,
  // A restart of the core takes seconds, and loses no tick then.
  lateMs: 60_000,
  // A week of hours, roughly; more is a report, not a job.
  catchUps: 100,
  // Three times `keepMs`: two lost statements lose no run.
  leaseMs: 30_000,
  keepMs: 10_000,
  reconcileMs: 5_000,
  againMs: 1_000,
  endTries: 20,
  retryBaseMs: 10_000,
  retryMaxMs: 600_000,
  drainMs: 3_000,
};

/** How long the history of runs is kept, and how it is pruned. */
export interface HistoryLimits {
  /** Runs of one job, the newest. */
  readonly perJob: number;
  readonly hours: number;
  readonly batch: number;
  readonly everyMs: number;
  /** Lines of the plugin's log that are kept with a run, and their characters. */
  readonly lines: number;
  readonly chars: number;
}

export const HISTORY_LIMITS: HistoryLimits = {
  // Eight minutes of a job that runs each second, three weeks of an hourly one.
  perJob: 500,
  hours: 30 * 24,
  batch: 5_000,
  everyMs: 600_000,
  lines: 50,
  chars: 4_000,
};

/** Wall-clock time and timers; tests and the simulation bring their own. */
export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number;
  /** Calls `fn` after `ms`; the answer cancels it. */
  after(ms: number, fn: () => void): () => void;
}

export const SYSTEM_CLOCK: Clock = {
  now: Date.now,
  after(ms, fn) {
    const timer = setTimeout(fn, ms);
    return () => clearTimeout(timer);
  },
};
