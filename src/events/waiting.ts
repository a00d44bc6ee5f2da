/** Waits for `work`, but no longer than `ms`. */
export async function within(ms: number, work: Promise<unknown>): Promise<void> {
  const bound = Promise.withResolvers<void>();
  const timer = setTimeout(bound.resolve, ms);
  try {
    await Promise.race([work, bound.promise]);
  } finally {
    clearTimeout(timer);
  }
}

/** What `work` answers, or the signal's reason as soon as it is aborted, whether `work` heeds the signal or not. */
export async function untilAborted<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const onAbort = () => reject(signal.reason);
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    signal.throwIfAborted();
    return await Promise.race([Promise.try(work), aborted]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}
