import { describe, expect, test } from 'bun:test';
import { DELIVERY_LIMITS, retryDelayMs } from '../../src/events/limits.ts';
import { allot } from '../../src/events/slots.ts';
import { untilAborted, within } from '../../src/events/waiting.ts';

describe('retryDelayMs', () => {
  const delays = (random: number) => Array.from({ length: 8 }, (_, i) => retryDelayMs(i + 1, DELIVERY_LIMITS, random));

  test('grows to its bound and ends with the last attempt', () => {
    expect(delays(0)).toEqual([500, 2_000, 8_000, 32_000, 128_000, 300_000, 300_000, null]);
  });

  test('spreads over the upper half', () => {
    const highest = delays(1 - Number.EPSILON);
    expect(highest).toEqual([1_000, 4_000, 16_000, 64_000, 256_000, 600_000, 600_000, null]);
  });
});

describe('allot', () => {
  const limits = { perPlugin: 4, global: 10 };
  const slots = (due: string[], busy: Record<string, number> = {}) =>
    Object.fromEntries(allot(due, new Map(Object.entries(busy)), limits));

  test.each([
    ['one gets its own number, not all', ['a'], {}, { a: 4 }],
    ['what runs already counts', ['a'], { a: 3 }, { a: 1 }],
    ['nothing for one that is full', ['a', 'b'], { a: 4 }, { b: 4 }],
    ['an even share when there are many', ['a', 'b', 'c', 'd', 'e'], {}, { a: 2, b: 2, c: 2, d: 2, e: 2 }],
    ['the idle before the busy', ['a', 'b', 'c'], { a: 3, x: 3, y: 2 }, { b: 1, c: 1 }],
    ['nothing when all slots are taken', ['a'], { x: 6, y: 4 }, {}],
    ['nothing when nothing is due', [], { x: 1 }, {}],
  ] as const)('%s', (_, due, busy, expected) => {
    expect(slots([...due], busy)).toEqual(expected as Record<string, number>);
  });

  test('one each when there are more plugins than slots', () => {
    const due = Array.from({ length: 30 }, (_, i) => `p${i}`);
    expect(Object.values(slots(due))).toEqual(Array(10).fill(1));
  });
});

describe('waiting', () => {
  test('untilAborted answers what the work answers', async () => {
    expect(await untilAborted(new AbortController().signal, async () => 7)).toBe(7);
  });

  test('untilAborted ends with the reason even when the work does not', async () => {
    const abort = new AbortController();
    const result = untilAborted(abort.signal, () => new Promise(() => {}));
    abort.abort(new Error('enough'));
    await expect(result).rejects.toThrow('enough');
  });

  test('untilAborted does not begin when it is aborted already', async () => {
    let began = false;
    const work = async () => {
      began = true;
    };
    await expect(untilAborted(AbortSignal.abort(new Error('enough')), work)).rejects.toThrow('enough');
    expect(began).toBe(false);
  });

  test('within gives up after the time, and passes errors on', async () => {
    await within(1, new Promise(() => {}));
    await expect(within(60_000, Promise.reject(new Error('no')))).rejects.toThrow('no');
  });
});
