/** How deliveries run, as data. Times in milliseconds. */
export interface DeliveryLimits {
  readonly maxAttempts: number;
  readonly backoff: { readonly baseMs: number; readonly factor: number; readonly maxMs: number };
  /** One attempt, by the dispatcher's clock. */
  readonly deadlineMs: number;
  /** How long a claim outlives its deadline before another dispatcher takes it over. */
  readonly leaseMarginMs: number;
  readonly perPlugin: number;
  /** Over all plugins: many times `perPlugin`, so that some plugins that hang leave room for the others. */
  readonly global: number;
  /** How long until a delivery whose plugin turned out not to be running is looked at again. */
  readonly notReadyMs: number;
  /** Look for work this often even when no hint came. */
  readonly pollMs: number;
  /** Successes that wait for their record; beyond it nothing is claimed. */
  readonly unsettled: number;
  /** Successes that one statement records at most. */
  readonly settleBatch: number;
  /** The pause before a success is recorded again when the store did not answer. */
  readonly settleRetryMs: number;
  /** How long `stop` waits for what is in flight. */
  readonly drainMs: number;
}

export const DELIVERY_LIMITS: DeliveryLimits = {
  maxAttempts: 8,
  // 1 s, 4 s, 16 s, 64 s, 4 min, 10 min, 10 min: a plugin may be out for about 25 minutes.
  backoff: { baseMs: 1_000, factor: 4, maxMs: 600_000 },
  deadlineMs: 30_000,
  leaseMarginMs: 30_000,
  perPlugin: 8,
  global: 256,
  notReadyMs: 2_000,
  // A hint that was missed costs no more than this; one index probe a plugin.
  pollMs: 5_000,
  // A slot is free when its handler ends: the next delivery does not wait for the record of the last. But were this
  // process killed, so many would come twice.
  unsettled: 512,
  settleBatch: 256,
  settleRetryMs: 250,
  drainMs: 3_000,
};

/** How events of plugins are stored, together. */
export const EMIT_LIMITS = {
  /** Events that one statement stores at most. */
  batch: 200,
  /** Characters of data that one statement holds, unless a single event has more: it takes a few milliseconds. */
  batchChars: 1_000_000,
  /** Other cores are told at most this often; this one begins at once. */
  hintMs: 100,
} as const;

/** How long what has happened is kept, and how it is pruned. */
export interface RetentionLimits {
  readonly doneHours: number;
  readonly deadHours: number;
  /** Events without deliveries. */
  readonly eventHours: number;
  /** Of one plugin; beyond it the oldest that wait become dead letters. */
  readonly pendingPerPlugin: number;
  /** Of one plugin; beyond it the oldest dead letters go. */
  readonly deadPerPlugin: number;
  readonly batch: number;
  readonly everyMs: number;
}

export const RETENTION_LIMITS: RetentionLimits = {
  doneHours: 7 * 24,
  deadHours: 90 * 24,
  eventHours: 7 * 24,
  // About 1 GB of rows and indexes; a plugin that takes 1,000 a second needs a quarter of an hour for it.
  pendingPerPlugin: 1_000_000,
  deadPerPlugin: 1_000_000,
  batch: 5_000,
  everyMs: 600_000,
};

/**
 * The wait before the next attempt, or null when `attempt` was the last: exponential, with the upper half random, so that
 * what failed together does not come back together.
 * @param attempt the one that failed, from 1
 * @param random in [0, 1)
 */
export function retryDelayMs(attempt: number, limits: DeliveryLimits, random: number): number | null {
  if (attempt >= limits.maxAttempts) return null;
  const { baseMs, factor, maxMs } = limits.backoff;
  const full = Math.min(maxMs, baseMs * factor ** (attempt - 1));
  return Math.round(full * (0.5 + random / 2));
}
