import { Cron } from 'croner';
import { CodedError } from '../_kit/errors.ts';
import type { JobRegistration } from '../_kit/registrations.ts';
import { SCHEDULER_LIMITS } from './limits.ts';

export type When = JobRegistration['when'];

/** Enough ticks to meet the narrowest gap of any minute or hour pattern. */
const GAPS_LOOKED_AT = 61;
/** Patterns that were found good: looking at all these ticks takes longer than the rest of a plugin's load. */
const ACCEPTED = new Set<string>();
const ACCEPTED_KEPT = 1_000;
const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** The pattern, read by croner: 5 or 6 fields or an alias (OCPS 1.4). It has no timer of its own. */
function read(cron: string, timezone: string): Cron {
  return new Cron(cron, { mode: '5-or-6-parts', timezone });
}

/**
 * Checks a cron pattern and its IANA time zone.
 * @throws CodedError `invalid_input` with the reason
 */
export function parseCron(
  cron: string,
  timezone: string,
  minIntervalMs: number = SCHEDULER_LIMITS.minIntervalMs,
): When {
  const refuse = (reason: string) => new CodedError('invalid_input', `cron: "${cron}" is not valid: ${reason}`);
  if (!isTimezone(timezone)) throw new CodedError('invalid_input', `timezone: "${timezone}" is not an IANA time zone`);
  const key = JSON.stringify([cron, timezone, minIntervalMs]);
  if (ACCEPTED.has(key)) return { cron, timezone };
  let ticks: Date[];
  try {
    const pattern = read(cron, timezone);
    // croner reads dates too, as jobs that run once.
    if (pattern.getPattern() === undefined) throw refuse('a date is not a pattern');
    ticks = pattern.nextRuns(GAPS_LOOKED_AT);
  } catch (error) {
    if (error instanceof CodedError) throw error;
    throw refuse((error as Error).message.replace(/^Cron\w+: /, ''));
  }
  if (ticks.length === 0) throw refuse('it never comes due');
  const narrow = ticks.some((tick, i) => i > 0 && tick.getTime() - (ticks[i - 1] as Date).getTime() < minIntervalMs);
  if (narrow) throw refuse(`it comes due more often than every ${minIntervalMs} ms`);
  if (ACCEPTED.size >= ACCEPTED_KEPT) ACCEPTED.clear();
  ACCEPTED.add(key);
  return { cron, timezone };
}

/**
 * Reads an interval: milliseconds, or a number with a unit (`500ms`, `30s`, `5m`, `1.5h`, `1d`).
 * @throws CodedError `invalid_input` when it is none, or out of bounds
 */
export function parseInterval(
  interval: number | string,
  minIntervalMs: number = SCHEDULER_LIMITS.minIntervalMs,
): { readonly everyMs: number } {
  const everyMs = typeof interval === 'number' ? interval : fromText(interval);
  if (!Number.isFinite(everyMs)) {
    throw new CodedError(
      'invalid_input',
      `interval: "${interval}" is neither milliseconds nor like "30s", "5m", "1.5h"`,
    );
  }
  if (everyMs < minIntervalMs || everyMs > SCHEDULER_LIMITS.maxIntervalMs) {
    const bounds = `${minIntervalMs} ms to ${SCHEDULER_LIMITS.maxIntervalMs / 86_400_000} days`;
    throw new CodedError('invalid_input', `interval: ${interval} is outside ${bounds}`);
  }
  return { everyMs: Math.round(everyMs) };
}

/**
 * The first tick after a time; null when there is none. All times are milliseconds since the epoch.
 * @param origin a tick of an interval, from which the others count; patterns need none
 */
export function tickAfter(when: When, after: number, origin: number): number | null {
  if ('everyMs' in when) return origin + when.everyMs * (Math.floor((after - origin) / when.everyMs) + 1);
  return read(when.cron, when.timezone).nextRun(new Date(after))?.getTime() ?? null;
}

/** The last tick at or before a time; as `tickAfter`. */
export function tickUpTo(when: When, at: number, origin: number): number | null {
  if ('everyMs' in when) return origin + when.everyMs * Math.floor((at - origin) / when.everyMs);
  // croner leaves out the reference itself.
  return (
    read(when.cron, when.timezone)
      .previousRuns(1, new Date(at + 1))[0]
      ?.getTime() ?? null
  );
}

function fromText(text: string): number {
  const [, amount, unit] = /^(\d+(?:\.\d+)?) ?(ms|s|m|h|d)$/.exec(text) ?? [];
  return amount === undefined || unit === undefined ? Number.NaN : Number(amount) * (UNITS[unit] ?? Number.NaN);
}

function isTimezone(timezone: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: timezone });
    return true;
  } catch {
    return false;
  }
}
