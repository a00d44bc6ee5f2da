/** How jobs run, as data. Times in milliseconds. */
export interface ScheduleLimits {
  /** One run, by the core's clock. */
  readonly runDeadlineMs: number;
  /** Runs of one job at a time under `overlap: 'allow'`; further ticks are left out. */
  readonly overlapping: number;
  /** The longest sleep, so that a clock that was set or a machine that slept is noticed. */
  readonly maxSleepMs: number;
  /** How long `stop` waits for runs before it aborts them, and once more after it. */
  readonly drainMs: number;
}

export const SCHEDULE_LIMITS: ScheduleLimits = {
  runDeadlineMs: 300_000,
  overlapping: 10,
  maxSleepMs: 60_000,
  drainMs: 3_000,
};

/** Wall-clock time and timers; tests bring their own. */
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
