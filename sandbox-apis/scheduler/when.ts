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
 * Reads a jitter: as an interval, and 0.
 * @throws CodedError `invalid_input` when it is none, or more than an hour
 */
export function parseJitter(jitter: number | string): number {
  const ms = typeof jitter === 'number' ? jitter : fromText(jitter);
  if (ms >= 0 && ms <= SCHEDULER_LIMITS.maxJitterMs) return Math.round(ms);
  throw new CodedError('invalid_input', `jitter: "${jitter}" is not like 30000 or "30s", up to an hour`);
}

/** How long the ticks of a job are put off: below `jitterMs`, spread over jobs, the same on every core. */
export function jitterOf(plugin: string, job: string, jitterMs: number): number {
  // FNV-1a: quick, the same everywhere; nothing depends on its being hard to guess.
  let hash = 0x811c9dc5;
  for (const char of `${plugin}\n${job}`) hash = Math.imul(hash ^ (char.codePointAt(0) as number), 0x01000193) >>> 0;
  // Its high bits differ little between names that differ in the end only: mixed down once more.
  hash = Math.imul(hash ^ (hash >>> 16), 0x45d9f3b) >>> 0;
  return Math.floor((((hash ^ (hash >>> 16)) >>> 0) / 2 ** 32) * jitterMs);
}

/**
 * The first tick after a time; null when there is none. All times are milliseconds since the epoch.
 * @param origin a tick of an interval, from which the others count; patterns need none
 */
export function tickAfter(when: When, after: number, origin: number): number | null {
  if ('everyMs' in when) return origin + when.everyMs * (Math.floor((after - origin) / when.everyMs) + 1);
  return read(when.cron, when.timezone).nextRun(new Date(after))?.getTime() ?? null;
}

/** The last `count` ticks at or before a time, the oldest first; as `tickAfter`. */
export function ticksUpTo(when: When, at: number, origin: number, count: number): number[] {
  if ('everyMs' in when) {
    const last = origin + when.everyMs * Math.floor((at - origin) / when.everyMs);
    return Array.from({ length: count }, (_, i) => last - (count - 1 - i) * when.everyMs);
  }
  // croner leaves out the reference itself.
  const ticks = read(when.cron, when.timezone).previousRuns(count, new Date(at + 1));
  return ticks.map((tick) => tick.getTime()).reverse();
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
