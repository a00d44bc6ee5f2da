/** Limits of jobs, as data. Times in milliseconds. */
export const SCHEDULER_LIMITS = {
  /** Of one plugin; the registrations refuse more with `quota_exceeded`. */
  jobs: 100,
  minIntervalMs: 1_000,
  maxIntervalMs: 366 * 24 * 3_600_000,
  cronLength: 120,
  maxJitterMs: 3_600_000,
  retries: 5,
} as const;
