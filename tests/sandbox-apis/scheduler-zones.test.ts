import { describe, expect, test } from 'bun:test';
import { tickAfter, ticksUpTo } from '../../sandbox-apis/scheduler/when.ts';

// Known answers of clock changes: by the IANA time zone database and the rules of cron (docs/authors/schedules.md).

/** Pattern, zone, from when, and the ticks that follow, in UTC; `//` says which wall clock that is. */
const KNOWN: readonly (readonly [what: string, cron: string, zone: string, from: string, ticks: readonly string[]])[] =
  [
    // A fixed time that spring leaves out runs at the first moment after the gap, once.
    ['gap', '30 2 * * *', 'Europe/Berlin', '2026-03-28T12:00Z', ['2026-03-29T01:00Z', '2026-03-30T00:30Z']],
    ['gap', '30 2 * * *', 'America/New_York', '2026-03-07T12:00Z', ['2026-03-08T07:00Z', '2026-03-09T06:30Z']],
    ['gap', '30 1 * * *', 'Europe/London', '2026-03-28T12:00Z', ['2026-03-29T01:00Z', '2026-03-30T00:30Z']],
    [
      'gap of 30 minutes',
      '15 2 * * *',
      'Australia/Lord_Howe',
      '2026-10-03T00:00Z',
      ['2026-10-03T15:30Z', '2026-10-04T15:15Z'],
    ],
    [
      'gap of 2 hours',
      '30 2 * * *',
      'Antarctica/Troll',
      '2026-03-28T12:00Z',
      ['2026-03-29T01:00Z', '2026-03-30T00:30Z'],
    ],
    [
      'gap at midnight',
      '0 0 * * *',
      'America/Sao_Paulo',
      '2018-11-03T12:00Z',
      ['2018-11-04T03:00Z', '2018-11-05T02:00Z'],
    ],
    ['gap at midnight', '30 0 * * *', 'Africa/Cairo', '2026-04-23T12:00Z', ['2026-04-23T22:00Z', '2026-04-24T21:30Z']],
    ['gap at midnight', '0 0 * * *', 'Asia/Beirut', '2026-03-28T12:00Z', ['2026-03-28T22:00Z', '2026-03-29T21:00Z']],
    // A fixed time that autumn repeats runs the first time.
    ['doubled', '30 2 * * *', 'Europe/Berlin', '2026-10-24T12:00Z', ['2026-10-25T00:30Z', '2026-10-26T01:30Z']],
    ['doubled', '30 1 * * *', 'America/New_York', '2026-10-31T12:00Z', ['2026-11-01T05:30Z', '2026-11-02T06:30Z']],
    ['doubled', '30 1 * * *', 'Europe/London', '2026-10-24T12:00Z', ['2026-10-25T00:30Z', '2026-10-26T01:30Z']],
    [
      'doubled 30 minutes',
      '45 1 * * *',
      'Australia/Lord_Howe',
      '2026-04-04T00:00Z',
      ['2026-04-04T14:45Z', '2026-04-05T15:15Z'],
    ],
    [
      'doubled 2 hours',
      '30 2 * * *',
      'Antarctica/Troll',
      '2026-10-24T12:00Z',
      ['2026-10-25T00:30Z', '2026-10-26T02:30Z'],
    ],
    // Other times of those days keep the wall clock.
    [
      '9 o’clock',
      '0 9 * * MON-FRI',
      'America/Los_Angeles',
      '2026-03-06T00:00Z',
      ['2026-03-06T17:00Z', '2026-03-09T16:00Z'],
    ],
    ['4 o’clock', '0 4 * * *', 'America/St_Johns', '2026-03-07T12:00Z', ['2026-03-08T06:30Z', '2026-03-09T06:30Z']],
    ['last day', '0 0 L * *', 'Pacific/Auckland', '2026-03-25T00:00Z', ['2026-03-30T11:00Z', '2026-04-29T12:00Z']],
    // A wildcard or a step in the hour follows the clock: no gap, no pause in real time.
    [
      'every hour',
      '0 * * * *',
      'Europe/Berlin',
      '2026-03-28T23:30Z',
      ['2026-03-29T00:00Z', '2026-03-29T01:00Z', '2026-03-29T02:00Z'],
    ],
    [
      'every hour',
      '0 * * * *',
      'Europe/Berlin',
      '2026-10-24T23:30Z',
      ['2026-10-25T00:00Z', '2026-10-25T01:00Z', '2026-10-25T02:00Z'],
    ],
    [
      'every half hour',
      '*/30 * * * *',
      'America/New_York',
      '2026-11-01T05:10Z',
      ['2026-11-01T05:30Z', '2026-11-01T06:00Z', '2026-11-01T06:30Z', '2026-11-01T07:00Z'],
    ],
    [
      'every 30 seconds',
      '*/30 * * * * *',
      'Europe/London',
      '2026-03-29T00:59:10Z',
      ['2026-03-29T00:59:30Z', '2026-03-29T01:00Z'],
    ],
    // So does a range.
    [
      'a range',
      '30 1-3 * * *',
      'Europe/Berlin',
      '2026-03-29T00:00Z',
      ['2026-03-29T00:30Z', '2026-03-29T01:30Z', '2026-03-29T23:30Z'],
    ],
    // No clock changes, offsets that are no whole hours, a day that was left out (2011-12-30).
    ['5:30', '30 2 * * *', 'Asia/Kolkata', '2026-01-01T00:00Z', ['2026-01-01T21:00Z', '2026-01-02T21:00Z']],
    ['5:45', '0 12 * * *', 'Asia/Kathmandu', '2026-01-01T00:00Z', ['2026-01-01T06:15Z', '2026-01-02T06:15Z']],
    ['no December 30', '0 12 * * *', 'Pacific/Apia', '2011-12-28T23:00Z', ['2011-12-29T22:00Z', '2011-12-30T22:00Z']],
    ['leap years', '30 0 29 2 *', 'UTC', '2026-01-01T00:00Z', ['2028-02-29T00:30Z', '2032-02-29T00:30Z']],
    // Day and weekday: either, as cron has it.
    ['1st or Monday', '0 0 1 * MON', 'UTC', '2026-01-26T12:00Z', ['2026-02-01T00:00Z', '2026-02-02T00:00Z']],
  ];

describe('ticks over clock changes', () => {
  test.each(KNOWN)('%s: %s in %s from %s', (_, cron, timezone, from, expected) => {
    const when = { cron, timezone };
    const ticks: string[] = [];
    let at = Date.parse(from);
    for (let i = 0; i < expected.length; i += 1) {
      at = tickAfter(when, at, 0) ?? Number.NaN;
      ticks.push(new Date(at).toISOString());
    }
    expect(ticks).toEqual(expected.map((time) => new Date(time).toISOString()));
    // Backwards they are the same: what is made up for is what would have been.
    expect(ticksUpTo(when, at, 0, expected.length).map((tick) => new Date(tick).toISOString())).toEqual(ticks);
  });
});

describe('over a whole year', () => {
  const ZONES = [
    ...['Europe/Berlin', 'Europe/London', 'Europe/Lisbon', 'Europe/Chisinau', 'America/New_York', 'America/St_Johns'],
    ...['America/Santiago', 'America/Havana', 'Africa/Cairo', 'Africa/Casablanca', 'Asia/Beirut', 'Asia/Jerusalem'],
    ...['Asia/Kolkata', 'Asia/Tokyo', 'Australia/Lord_Howe', 'Australia/Sydney', 'Pacific/Auckland', 'Pacific/Chatham'],
    ...['Pacific/Kiritimati', 'Antarctica/Troll', 'UTC'],
  ];
  const YEAR = { from: Date.parse('2026-01-01T00:00Z'), to: Date.parse('2027-01-01T00:00Z') };

  /** How many ticks a pattern has in each local day. */
  function perDay(cron: string, timezone: string): Map<string, number> {
    const day = new Intl.DateTimeFormat('en-CA', { timeZone: timezone, dateStyle: 'short' });
    const counts = new Map<string, number>();
    for (let at = tickAfter({ cron, timezone }, YEAR.from, 0); at !== null && at < YEAR.to; ) {
      const key = day.format(at);
      counts.set(key, (counts.get(key) ?? 0) + 1);
      at = tickAfter({ cron, timezone }, at, 0);
    }
    return counts;
  }

  test.each(ZONES)('a daily job has each day once in %s', (timezone) => {
    for (const cron of ['30 2 * * *', '30 0 * * *']) {
      const counts = perDay(cron, timezone);
      expect(new Set(counts.values())).toEqual(new Set([1]));
      expect(counts.size).toBeGreaterThanOrEqual(364);
    }
  });
});
