import { expect, test } from 'bun:test';
import { quotaHeaders, RateWindows } from '../../src/http/rate-windows.ts';

test('counts down to the limit, and one more is negative', () => {
  const windows = new RateWindows(2, 1_000);
  expect([0, 1, 2].map((at) => windows.spend('a', at).remaining)).toEqual([1, 0, -1]);
  expect(windows.spend('b', 3).remaining).toBe(1);
});

test('begins anew when the window has ended, and says when that is', () => {
  const windows = new RateWindows(1, 1_000);
  expect(windows.spend('a', 500)).toEqual({ remaining: 0, resetMs: 1_000 });
  expect(windows.spend('a', 1_200)).toEqual({ remaining: -1, resetMs: 300 });
  expect(windows.spend('a', 1_500)).toEqual({ remaining: 0, resetMs: 1_000 });
});

test('many callers do not grow it without end', () => {
  const windows = new RateWindows(1, 1_000);
  windows.spend('first', 0);
  for (let caller = 0; caller < 10_001; caller += 1) windows.spend(`caller-${caller}`, 1);
  // The first was forgotten with the rest.
  expect(windows.spend('first', 2).remaining).toBe(0);
});

test('a quota of the plugin is named, with its size and when to come again', () => {
  const resetsAt = new Date(10_500).toISOString();
  expect(quotaHeaders({ limit: 'cpuMsPerMinute', max: 30_000, resetsAt }, 1_000)).toEqual({
    retryAfter: 10,
    rateLimit: {
      'ratelimit-policy': '"cpuMsPerMinute";q=30000;w=60;qu="cpu-ms"',
      ratelimit: '"cpuMsPerMinute";r=0;t=10',
    },
  });
  expect(quotaHeaders({ limit: 'callsInFlight', max: 8, resetsAt: null })).toEqual({
    retryAfter: 1,
    rateLimit: {
      'ratelimit-policy': '"callsInFlight";q=8;qu="concurrent-requests"',
      ratelimit: '"callsInFlight";r=0;t=1',
    },
  });
  expect(quotaHeaders({})).toBeNull();
});
