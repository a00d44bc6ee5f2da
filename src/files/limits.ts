/** Limits of keeping blobs: data, with the reason beside each number. */
export const BLOB_LIMITS = {
  /** Seconds that a blob is taken to be written on after the last sign of it: longer than a put may take. */
  leaseSeconds: 300,
  /** Share of what has come, and most bytes, that are reserved beyond what is needed: few statements, little blocked. */
  aheadShare: 0.125,
  aheadBytes: 4 * 1024 * 1024,
  /** Blobs that one sweep removes at a time: short enough that a writer who waits for their rows hardly notices. */
  sweepBatch: 100,
  /** Milliseconds that a write waits for what it replaced to be removed: a disk takes one; a backend that hangs holds up nobody. */
  removalMs: 2_000,
  /** Milliseconds between two sweeps. What is replaced goes at once; a sweep finds what a crash or a failure left. */
  sweepMs: 60_000,
  /** Seconds until a removal that failed is tried again, doubled with each try, and the longest. */
  retrySeconds: 30,
  retryMaxSeconds: 3_600,
  /** Times that a statement is tried which loses against another: each time one of them has got ahead. */
  tries: 8,
} as const;
