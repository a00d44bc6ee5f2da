import { expect, test } from 'bun:test';
import { SpendWindow } from '../../src/quotas/spend-window.ts';

test('a window begins with what is spent first, and ends after its length', () => {
  const window = new SpendWindow(1_000);
  expect(window.spentAt(0)).toBe(0);
  expect([window.spend(2, 500), window.spend(3, 1_499), window.spentAt(1_499)]).toEqual([2, 5, 5]);
  expect(window.endsAt).toBe(1_500);
  expect(window.spentAt(1_500)).toBe(0);
  expect(window.spend(1, 9_000)).toBe(1);
  expect(window.endsAt).toBe(10_000);
});
