import { type Clock, SYSTEM_CLOCK } from '../schedules/limits.ts';

/** Waits for `work`, but no longer than `ms`. */
export async function within(ms: number, work: Promise<unknown>, clock: Clock = SYSTEM_CLOCK): Promise<void> {
  const bound = Promise.withResolvers<void>();
  const cancel = clock.after(ms, bound.resolve);
  try {
    await Promise.race([work, bound.promise]);
  } finally {
    cancel();
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
