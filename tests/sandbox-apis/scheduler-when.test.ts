import { describe, expect, test } from 'bun:test';
import type { CodedError } from '../../sandbox-apis/_kit/errors.ts';
import { parseCron, parseInterval, parseJitter, tickAfter, ticksUpTo } from '../../sandbox-apis/scheduler/when.ts';

const DAY = 86_400_000;

/** The message of the refusal; fails when there is none. */
function refusal(parse: () => unknown): string {
  try {
    parse();
  } catch (error) {
    expect((error as CodedError).code).toBe('invalid_input');
    return (error as CodedError).message;
  }
  throw new Error('nothing was refused');
}

describe('parseCron takes', () => {
  test.each([
    '*/5 * * * *',
    '0 6 * * MON-FRI',
    '*/10 * * * * *',
    '0 0 L * *',
    '0 0 29 2 *',
    '@hourly',
    '@daily',
    '@midnight',
    '@weekly',
    '@monthly',
    '@yearly',
    '@annually',
  ])('%s', (cron) => {
    expect(parseCron(cron, 'Europe/Berlin')).toEqual({ cron, timezone: 'Europe/Berlin' });
  });
});

describe('parseCron refuses', () => {
  test.each([
    ['61 * * * *', 'Invalid value for minute: 61'],
    ['* * * *', 'exactly five, six, or seven space separated parts'],
    ['* * * * * * *', 'requires exactly 5 or 6 parts'],
    ['*/0 * * * *', 'illegal stepping'],
    ['@reboot', 'not supported'],
    ['@fortnightly', 'is not valid'],
    ['', 'is not valid'],
    ['0 0 31 2 *', 'it never comes due'],
    ['2030-01-01T00:00:00', 'a date is not a pattern'],
  ])('%j: %s', (cron, reason) => {
    const message = refusal(() => parseCron(cron, 'UTC'));
    expect(message).toStartWith(`cron: "${cron}" is not valid: `);
    expect(message).toContain(reason);
  });

  test('a time zone that is none', () => {
    expect(refusal(() => parseCron('@daily', 'Mars/Olympus'))).toBe(
      'timezone: "Mars/Olympus" is not an IANA time zone',
    );
  });

  test('more often than the limit, also when most gaps are wide', () => {
    expect(refusal(() => parseCron('* * * * * *', 'UTC', 5_000))).toContain('more often than every 5000 ms');
    expect(refusal(() => parseCron('0,1 0 0 1 1 *', 'UTC', 5_000))).toContain('more often than every 5000 ms');
    expect(parseCron('*/5 * * * * *', 'UTC', 5_000)).toBeTruthy();
  });
});

describe('parseInterval', () => {
  test.each([
    [1_000, 1_000],
    [1_500.4, 1_500],
    ['1500ms', 1_500],
    ['30s', 30_000],
    ['5m', 300_000],
    ['5 m', 300_000],
    ['1.5h', 5_400_000],
    ['1d', DAY],
    ['366d', 366 * DAY],
  ])('reads %j as %p ms', (interval, everyMs) => {
    expect(parseInterval(interval)).toEqual({ everyMs });
  });

  test.each([['5x'], [''], ['m'], ['-5m'], ['1h30m'], ['1e9'], ['5m '], [Number.NaN], [Number.POSITIVE_INFINITY]])(
    'refuses %j as no interval',
    (interval) => {
      expect(refusal(() => parseInterval(interval))).toContain('is neither milliseconds nor like');
    },
  );

  test.each([[999], ['0s'], [-5_000], ['367d'], [Number.MAX_SAFE_INTEGER]])(
    'refuses %j as out of bounds',
    (interval) => {
      expect(refusal(() => parseInterval(interval))).toContain('is outside 1000 ms to 366 days');
    },
  );
});

describe('parseJitter', () => {
  test.each([
    [0, 0],
    [1_500.4, 1_500],
    ['30s', 30_000],
    ['1h', 3_600_000],
  ])('reads %j as %p ms', (jitter, ms) => {
    expect(parseJitter(jitter)).toBe(ms);
  });

  test.each([[-1], [3_600_001], ['2h'], ['30'], [Number.NaN]])('refuses %j', (jitter) => {
    expect(refusal(() => parseJitter(jitter))).toContain('jitter: ');
  });
});

describe('ticks', () => {
  const at = (time: string) => Date.parse(`2026-01-01T${time}Z`);
  const cron = { cron: '*/5 * * * *', timezone: 'UTC' };
  const every = { everyMs: 300_000 };
  const origin = at('12:01:00');

  test.each([
    ['cron', cron, '12:00:00.000', '12:05:00', '12:00:00'],
    ['cron', cron, '12:00:00.001', '12:05:00', '12:00:00'],
    ['cron', cron, '11:59:59.999', '12:00:00', '11:55:00'],
    ['interval', every, '12:01:00.000', '12:06:00', '12:01:00'],
    ['interval', every, '12:05:59.999', '12:06:00', '12:01:00'],
    ['interval', every, '12:06:00.000', '12:11:00', '12:06:00'],
    ['interval', every, '12:00:59.999', '12:01:00', '11:56:00'],
  ] as const)('of the %s %j around %s: after it %s, up to it %s', (_, when, time, after, upTo) => {
    expect(tickAfter(when, at(time), origin)).toBe(at(after));
    expect(ticksUpTo(when, at(time), origin, 1)).toEqual([at(upTo)]);
    expect(ticksUpTo(when, at(time), origin, 3)).toEqual([at(upTo) - 600_000, at(upTo) - 300_000, at(upTo)]);
  });
});
