/** Milliseconds between two looks: small against what is waited for, and no load on what is asked. */
const PAUSE_MS = 15;

/**
 * Asks again until the answer is neither false, null nor undefined, and answers it.
 *
 * @param what says in the failure what was waited for
 * @param ms how long; the bound of a test, not a measure of speed
 * @throws Error when it did not become so in time
 */
export async function until<T>(
  check: () => T | Promise<T>,
  what: string,
  ms = 10_000,
): Promise<Exclude<T, false | null | undefined>> {
  const end = performance.now() + ms;
  for (;;) {
    const answer = await check();
    if (answer !== false && answer !== null && answer !== undefined) {
      return answer as Exclude<T, false | null | undefined>;
    }
    if (performance.now() > end) throw new Error(`${what}: not within ${ms} ms`);
    await Bun.sleep(PAUSE_MS);
  }
}

/** The promise, but no longer than `ms`. @throws Error that says what was waited for */
export async function within<T>(promise: Promise<T>, what: string, ms = 10_000): Promise<T> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(new Error(`${what}: not within ${ms} ms`)), ms);
  try {
    return await Promise.race([promise, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}
