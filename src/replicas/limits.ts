/** How cores on one database keep together: data, in milliseconds, with the reason beside each number. */
export const REPLICA_LIMITS = {
  /** Between two signs of life: one small write each. */
  heartbeatMs: 2_000,
  /** Without a sign of life after which a core counts as gone: longer than a full garbage collection, or a failover. */
  goneMs: 10_000,
  /** Between two looks at the tables: what a hint missed waits no longer than this. */
  reconcileMs: 3_000,
  /** Between two tries of a plugin that does not load here as the tables say; doubled each time up to the last. */
  retryMs: 250,
  lastRetryMs: 30_000,
  /** How long a changed token or user may go unnoticed when hints are lost, with several cores. */
  principalMs: 1_000,
  /** How long a pause lasts that is not kept up: its core has died. */
  pauseMs: 10_000,
  /** Between two signs that a pause goes on. */
  pauseKeepMs: 3_000,
  /** How long an exchange waits for the other cores to pause; calls under way there have 2 s, and what is late is cut. */
  pauseWaitMs: 4_000,
  /** Between two looks at pauses while there is one. */
  pauseLookMs: 200,
  /** How long a lease is held without being kept up. */
  leaseMs: 60_000,
} as const;

export type ReplicaTimes = { readonly [name in keyof typeof REPLICA_LIMITS]: number };
