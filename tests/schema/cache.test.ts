import { expect, test } from 'bun:test';
import { lru } from '../../src/schema/cache.ts';

test('makes each value once, and forgets the one that was not asked for the longest', () => {
  const made: string[] = [];
  const cached = lru<string>(2);
  const ask = (key: string) =>
    cached(key, () => {
      made.push(key);
      return key.toUpperCase();
    });
  for (const key of ['a', 'b', 'a', 'c', 'a', 'b']) expect(ask(key)).toBe(key.toUpperCase());
  expect(made).toEqual(['a', 'b', 'c', 'b']);
});

test('a value that could not be made is asked for again', () => {
  const cached = lru<number>(2);
  expect(() =>
    cached('a', () => {
      throw new Error('no');
    }),
  ).toThrow('no');
  expect(cached('a', () => 1)).toBe(1);
});
