import { describe, expect, test } from 'bun:test';
import {
  type Activity,
  chooseSleepers,
  defaultMaxIsolates,
  HIBERNATION_LIMITS,
  isAtRest,
} from '../../src/plugins/hibernation.ts';

const MIB = 1024 * 1024;
const AT_REST: Activity = { busy: false, timerPending: false, pinned: false, usedAt: 0 };

/** Isolates named by their letter, last used at the given times. */
function live(usedAt: Readonly<Record<string, number>>, change: Readonly<Record<string, Partial<Activity>>> = {}) {
  return Object.entries(usedAt).map(([of, at]) => ({ of, activity: { ...AT_REST, usedAt: at, ...change[of] } }));
}

describe('an isolate is at rest', () => {
  test('when nothing is under way, no timer waits, and another load brings back all that it registered', () => {
    expect(isAtRest(AT_REST)).toBe(true);
  });

  test.each<[string, Partial<Activity>]>([
    ['something is under way', { busy: true }],
    ['a timer waits', { timerPending: true }],
    ['the host has not said yet whether a timer waits', { timerPending: null }],
    ['it registered something after its load, or is the old one of a failed reload', { pinned: true }],
  ])('but not when %s', (_why, change) => {
    expect(isAtRest({ ...AT_REST, ...change })).toBe(false);
  });
});

describe('those that are let go', () => {
  test('are idle for as long as the operator says, to the millisecond', () => {
    const rules = { afterMs: 1_000, maxIsolates: 10 };
    expect(chooseSleepers(live({ a: 100, b: 101 }), rules, 1_100)).toEqual(['a']);
    expect(chooseSleepers(live({ a: 100, b: 101 }), rules, 1_099)).toEqual([]);
  });

  test('are none by time when that is 0', () => {
    expect(chooseSleepers(live({ a: 0 }), { afterMs: 0, maxIsolates: 10 }, 1e12)).toEqual([]);
  });

  test('are, beyond the cap, those used least recently, at once', () => {
    const rules = { afterMs: 0, maxIsolates: 2 };
    expect(chooseSleepers(live({ a: 30, b: 10, c: 40, d: 20 }), rules, 41)).toEqual(['b', 'd']);
  });

  test('are never those at work, however far beyond the cap', () => {
    const rules = { afterMs: 1, maxIsolates: 1 };
    const working = { a: { busy: true }, b: { timerPending: true }, c: { pinned: true }, d: { timerPending: null } };
    expect(chooseSleepers(live({ a: 0, b: 0, c: 0, d: 0, e: 5 }, working), rules, 5)).toEqual(['e']);
  });

  test('are as many as the cap asks for when some cannot go', () => {
    const rules = { afterMs: 0, maxIsolates: 2 };
    expect(chooseSleepers(live({ a: 0, b: 1, c: 2, d: 3 }, { a: { busy: true } }), rules, 9)).toEqual(['b', 'c']);
  });
});

describe('where it is crowded', () => {
  const { crowd, crowdedMs } = HIBERNATION_LIMITS;
  const many = live(Object.fromEntries(Array.from({ length: crowd + 2 }, (_, index) => [`p${index}`, index])));

  test('those beyond the crowd are idle sooner', () => {
    const rules = { afterMs: 900_000, maxIsolates: 1_000 };
    expect(chooseSleepers(many, rules, crowdedMs)).toEqual(['p0']);
    expect(chooseSleepers(many, rules, crowdedMs + crowd + 2)).toEqual(['p0', 'p1']);
    expect(chooseSleepers(many.slice(2), rules, crowdedMs + crowd + 2)).toEqual([]);
  });

  test('but not where the operator says never', () => {
    expect(chooseSleepers(many, { afterMs: 0, maxIsolates: 1_000 }, 1e12)).toEqual([]);
  });
});

test('the cap is an eighth of the memory at 3.5 MB an isolate; 50 on the smallest machine, 256 on the largest', () => {
  expect(defaultMaxIsolates(512 * MIB)).toBe(50);
  expect(defaultMaxIsolates(4_096 * MIB)).toBe(146);
  expect(defaultMaxIsolates(16_384 * MIB)).toBe(256);
});
