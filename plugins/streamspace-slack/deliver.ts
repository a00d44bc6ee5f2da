import type { SlackMessage } from './logic.ts';

/** What sending needs of the world; tests pass their own clock. */
export interface Wire {
  fetch(url: string, init: RequestInit): Promise<Response>;
  sleep(ms: number): Promise<void>;
  /** Milliseconds; only differences count. */
  now(): number;
  /** From 0 up to 1, for the jitter. */
  random(): number;
}

export type Outcome =
  | { readonly ok: true; readonly status: number; readonly attempts: number }
  | {
      readonly ok: false;
      /** Slack's HTTP status; null when no answer came. */
      readonly status: number | null;
      /** Slack's own word (`channel_not_found`), or what the network said. */
      readonly error: string;
      readonly attempts: number;
      /** Whether the same message may be taken later. */
      readonly passing: boolean;
      /** Slack asked for this much quiet; 0 when it did not. */
      readonly quietMs: number;
    };

const ATTEMPT_TIMEOUT_MS = 5_000;
const FIRST_DELAY_MS = 500;
const LONGEST_DELAY_MS = 8_000;
/** All attempts together end before the platform's deadline of 30 s for an event. */
const BUDGET_MS = 22_000;
/** Refusals of the platform itself: the next attempt would be refused too. */
const FINAL_CODES = new Set(['permission_denied', 'network_blocked', 'invalid_input']);

/**
 * Posts a message to an incoming webhook. What may pass (no answer, 408, 429, 5xx) is tried again up to `retries`
 * times after an exponential delay with full jitter, or after Slack's `Retry-After`; other refusals are final.
 */
export async function deliver(url: string, message: SlackMessage, retries: number, wire: Wire): Promise<Outcome> {
  const end = wire.now() + BUDGET_MS;
  for (let attempt = 1; ; attempt++) {
    const outcome = await post(url, message, attempt, wire);
    if (outcome.ok || !outcome.passing || attempt > retries) return outcome;
    const backoff = wire.random() * Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** (attempt - 1));
    const delay = outcome.quietMs > 0 ? outcome.quietMs : backoff;
    if (wire.now() + delay + ATTEMPT_TIMEOUT_MS > end) return outcome;
    await wire.sleep(delay);
  }
}

async function post(url: string, message: SlackMessage, attempts: number, wire: Wire): Promise<Outcome> {
  try {
    const response = await wire.fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json; charset=utf-8' },
      body: JSON.stringify(message),
      redirect: 'error',
      signal: AbortSignal.timeout(ATTEMPT_TIMEOUT_MS),
    });
    const said = (await response.text()).trim().slice(0, 200);
    const { status } = response;
    if (response.ok) return { ok: true, status, attempts };
    const passing = status === 408 || status === 429 || status >= 500;
    const quietMs = passing ? quietTime(response.headers.get('retry-after'), Date.now()) : 0;
    return { ok: false, status, error: said || `HTTP ${status}`, attempts, passing, quietMs };
  } catch (error) {
    const code = (error as { code?: unknown }).code;
    const passing = typeof code !== 'string' || !FINAL_CODES.has(code);
    const reason = error instanceof Error ? error.message : String(error);
    return { ok: false, status: null, error: reason, attempts, passing, quietMs: 0 };
  }
}

/** Reads `Retry-After` (RFC 9110, 10.2.3): seconds or a date. Answers milliseconds, at most an hour; 0 when it says nothing. */
export function quietTime(header: string | null, now: number): number {
  if (header === null) return 0;
  const ms = /^\d{1,9}$/.test(header.trim()) ? Number(header) * 1000 : Date.parse(header) - now;
  return Number.isNaN(ms) ? 0 : Math.min(Math.max(ms, 0), 3_600_000);
}
