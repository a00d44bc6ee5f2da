import { describe, expect, test } from 'bun:test';
import {
  covers,
  EVENT_LIMITS,
  isEventName,
  PATTERN_SOURCE,
  patternsMatching,
} from '../../sandbox-apis/events/patterns.ts';

/** Every name of one to three segments over an alphabet with look-alikes. */
const SEGMENTS = ['user', 'userx', 'use', 'session', 'login', 'plugin'];
const NAMES = SEGMENTS.flatMap((a) => [
  a,
  ...SEGMENTS.flatMap((b) => [`${a}.${b}`, ...SEGMENTS.map((c) => `${a}.${b}.${c}`)]),
]);
const PATTERNS = ['*', ...NAMES, ...NAMES.filter((name) => name.split('.').length < 3).map((name) => `${name}.*`)];

/** The meaning of a pattern, said by segments instead of text. */
function matches(pattern: string, name: string): boolean {
  const wanted = pattern.split('.');
  const given = name.split('.');
  if (pattern === '*') return true;
  if (wanted.at(-1) !== '*') return pattern === name;
  const prefix = wanted.slice(0, -1);
  return given.length > prefix.length && prefix.every((segment, i) => segment === given[i]);
}

describe('patterns', () => {
  test('a name is matched by exactly the patterns that are listed for it', () => {
    for (const name of NAMES) {
      const expected = PATTERNS.filter((pattern) => matches(pattern, name)).sort();
      expect(patternsMatching(name).sort()).toEqual(expected);
    }
  });

  test('covers says of a name whether the pattern matches it', () => {
    const wrong = PATTERNS.flatMap((pattern) =>
      NAMES.filter((name) => covers(pattern, name) !== matches(pattern, name)).map((name) => [pattern, name]),
    );
    expect(wrong).toEqual([]);
  });

  test('covers says of two patterns whether all that one matches is matched by the other', () => {
    // `a.b.c.*` matches no name of the universe: left out.
    const wild = ['*', ...PATTERNS.filter((pattern) => pattern.endsWith('.*'))];
    const wrong = wild.flatMap((wider) =>
      wild
        .filter((pattern) => {
          const subset = NAMES.every((name) => !matches(pattern, name) || matches(wider, name));
          return covers(wider, pattern) !== subset;
        })
        .map((pattern) => [wider, pattern]),
    );
    expect(wrong).toEqual([]);
  });

  test.each([
    ['user.created', true],
    ['plugin.a-b.Report_ready', true],
    ['a', true],
    ['a.b.c.d.e.f.g.h', true],
    ['a.b.c.d.e.f.g.h.i', false],
    ['', false],
    ['.a', false],
    ['a.', false],
    ['a..b', false],
    ['a.*', false],
    ['*', false],
    ['a b', false],
    ['a\n', false],
    ['ä.b', false],
    ['x'.repeat(65), false],
    [`${'x'.repeat(64)}.${'x'.repeat(64)}.${'x'.repeat(64)}.${'x'.repeat(64)}`, false],
  ])('isEventName(%j) is %p', (name, is) => {
    expect(isEventName(name)).toBe(is);
  });

  test.each([
    ['*', true],
    ['user.*', true],
    ['user.created', true],
    ['user*', false],
    ['*.created', false],
    ['user.*.x', false],
    ['**', false],
    ['user.**', false],
    ['.*', false],
    ['user.*\n', false],
  ])('%j is a pattern: %p', (pattern, is) => {
    expect(new RegExp(`^${PATTERN_SOURCE}$`).test(pattern)).toBe(is);
  });

  test('the number of patterns that match a name is bounded', () => {
    const longest = Array.from({ length: EVENT_LIMITS.nameSegments }, () => 'a').join('.');
    expect(patternsMatching(longest)).toHaveLength(EVENT_LIMITS.nameSegments + 1);
  });
});
