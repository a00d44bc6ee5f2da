import { expect, test } from 'bun:test';
import { RateWindows } from '../../src/http/rate-windows.ts';

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
