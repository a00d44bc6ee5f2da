import { SpendWindow } from '../quotas/spend-window.ts';

/** Callers that are remembered; over that, the windows that have ended are swept. */
const SWEEP_AT = 10_000;

/**
 * Counts calls by caller in windows of fixed length that begin with the first call. It runs with each request of an
 * endpoint that has a limit: rate-limiter-flexible, which the sign-in uses, costs a promise and a timer a call.
 */
export class RateWindows {
  readonly #windows = new Map<string, SpendWindow>();
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
    if (window === undefined) {
      if (this.#windows.size >= SWEEP_AT) this.#sweep(now);
      window = new SpendWindow(this.#windowMs);
      this.#windows.set(caller, window);
    }
    const remaining = this.#max - window.spend(1, now);
    return { remaining, resetMs: window.endsAt - now };
  }

  #sweep(now: number): void {
    for (const [caller, { endsAt }] of this.#windows) if (endsAt <= now) this.#windows.delete(caller);
    // All of them live: somebody comes under many names. Forgetting is fairer than growing without end.
    if (this.#windows.size >= SWEEP_AT) this.#windows.clear();
  }
}

/** The headers of a refusal for a quota of the plugin itself, from the members of its error; null when it names none. */
export function quotaHeaders(extra: Readonly<Record<string, unknown>>, now: number = Date.now()) {
  const { limit, max, resetsAt } = extra;
  if (typeof limit !== 'string' || typeof max !== 'number') return null;
  const seconds =
    typeof resetsAt === 'string' ? Math.max(1, Math.ceil((Date.parse(resetsAt) - now) / 1000)) : IN_FLIGHT_SECONDS;
  const window = typeof resetsAt === 'string' ? ';w=60' : '';
  return {
    retryAfter: seconds,
    rateLimit: {
      'ratelimit-policy': `"${limit}";q=${max}${window};qu="${QUOTA_UNITS[limit] ?? 'requests'}"`,
      ratelimit: `"${limit}";r=0;t=${seconds}`,
    },
  };
}

/** Seconds until a call under way may have ended: nobody knows, and a second is not long. */
const IN_FLIGHT_SECONDS = 1;
/** What is counted, where it is not requests. */
const QUOTA_UNITS: Readonly<Record<string, string>> = {
  callsInFlight: 'concurrent-requests',
  cpuMsPerMinute: 'cpu-ms',
};
