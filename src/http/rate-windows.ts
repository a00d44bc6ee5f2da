/** Callers that are remembered; over that, the windows that have ended are swept. */
const SWEEP_AT = 10_000;

interface Window {
  count: number;
  endsAt: number;
}

/**
 * Counts calls by caller in windows of fixed length that begin with the first call. It runs with each request of an
 * endpoint that has a limit: rate-limiter-flexible, which the sign-in uses, costs a promise and a timer a call.
 */
export class RateWindows {
  readonly #windows = new Map<string, Window>();
  readonly #max: number;
  readonly #windowMs: number;
  /** Of the `RateLimit-Policy` header (draft-ietf-httpapi-ratelimit-headers). */
  readonly policy: string;

  constructor(max: number, windowMs: number) {
    this.#max = max;
    this.#windowMs = windowMs;
    this.policy = `"default";q=${max};w=${Math.ceil(windowMs / 1000)}`;
  }

  /** Counts one call; `remaining` is negative when it is one too many. */
  spend(caller: string, now: number = performance.now()): { readonly remaining: number; readonly resetMs: number } {
    let window = this.#windows.get(caller);
    if (window === undefined || window.endsAt <= now) {
      if (this.#windows.size >= SWEEP_AT) this.#sweep(now);
      window = { count: 0, endsAt: now + this.#windowMs };
      this.#windows.set(caller, window);
    }
    window.count += 1;
    return { remaining: this.#max - window.count, resetMs: window.endsAt - now };
  }

  #sweep(now: number): void {
    for (const [caller, { endsAt }] of this.#windows) if (endsAt <= now) this.#windows.delete(caller);
    // All of them live: somebody comes under many names. Forgetting is fairer than growing without end.
    if (this.#windows.size >= SWEEP_AT) this.#windows.clear();
  }
}
