import { afterAll, describe, expect, test } from 'bun:test';
import { startIsolates } from '../../kit/isolates.ts';

const isolates = await startIsolates();
afterAll(() => isolates.close());
const { run, tell } = isolates;

describe('timers', () => {
  // ADVERSARY 23
  test.each([
    ['NaN', 'NaN'],
    ['-1', '-1'],
    ['2^32', '2 ** 32'],
    ['2^31', '2 ** 31'],
    ['Infinity', 'Infinity'],
    ['nothing', 'undefined'],
    ['an object', '({})'],
  ])('a delay of %s is none', async (_, delay) => {
    const { wakes } = await tell(`await new Promise((done) => setTimeout(done, ${delay}))`);
    expect(wakes).toEqual([0]);
  });

  test.each([
    ['1.9', [1]],
    ['"7"', [7]],
    ['2 ** 32 + 5', [5]],
    ['2 ** 31 - 1', [2 ** 31 - 1]],
  ])('a delay of %s', async (delay, expected) => {
    const { wakes } = await tell(`await new Promise((done) => setTimeout(done, ${delay}))`);
    expect(wakes).toEqual(expected);
  });

  test('they run in the order of their time, then of their making', async () => {
    const code = `const seen = [];
      setTimeout(() => seen.push('c'), 20); setTimeout(() => seen.push('a'), 10); setTimeout(() => seen.push('b'), 10);
      await new Promise((done) => setTimeout(done, 30)); return seen`;
    expect(await run(code)).toEqual(['a', 'b', 'c']);
  });

  test('microtasks run between two that are due together', async () => {
    const code = `const seen = [];
      setTimeout(async () => { seen.push(1); await null; seen.push(2); await null; seen.push(3) }, 5);
      setTimeout(() => seen.push(4), 5);
      await new Promise((done) => setTimeout(done, 6)); return seen`;
    expect(await run(code)).toEqual([1, 2, 3, 4]);
  });

  test('only an earlier one asks the host again', async () => {
    const { wakes } = await tell(`setTimeout(() => {}, 100); setTimeout(() => {}, 200);
      for (let i = 0; i < 100; i++) clearTimeout(setTimeout(() => {}, 300));
      setTimeout(() => {}, 50)`);
    expect(wakes).toEqual([100, 50]);
  });

  test('arguments, cleared timers and unknown ids', async () => {
    const code = `const seen = [];
      const id = setTimeout(() => seen.push('never'), 5);
      clearTimeout(id); clearInterval(id); clearTimeout(undefined); clearTimeout(NaN); clearTimeout(12345); clearTimeout({});
      setTimeout((...args) => seen.push(args), 5, 1, 'b');
      await new Promise((done) => setTimeout(done, 10)); return [seen, typeof id, id > 0, __test.web.timers.count()]`;
    expect(await run(code)).toEqual([[[1, 'b']], 'number', true, 0]);
  });

  test('an interval repeats until it is cleared, also by itself', async () => {
    const code = `let runs = 0; const start = performance.now();
      await new Promise((done) => { const id = setInterval(() => { if (++runs === 3) { clearInterval(id); done() } }, 10) });
      return [runs, performance.now() - start, __test.web.timers.count()]`;
    expect(await run(code)).toEqual([3, 30, 0]);
  });

  test('timers set by timers wait at least 4 ms from the fifth on', async () => {
    const code = `const at = [];
      await new Promise((done) => { const next = () => { at.push(performance.now()); at.length === 8 ? done() : setTimeout(next, 0) }; setTimeout(next, 0) });
      return at`;
    expect(await run(code)).toEqual([0, 0, 0, 0, 0, 4, 8, 12]);
  });

  test('what a callback throws goes to the host and stops nothing', async () => {
    const { value, errors } = await tell(`setTimeout(() => { throw new RangeError('x') }, 1);
      queueMicrotask(() => { throw new TypeError('y') });
      await new Promise((done) => setTimeout(done, 2)); return 'done'`);
    expect([value, errors]).toEqual(['done', ['TypeError: y', 'RangeError: x']]);
  });

  test('more than 10,000 are refused, and do no harm', async () => {
    const code = `let made = 0; let error;
      for (let i = 0; i < 1e5; i++) { try { setTimeout(() => {}, 1e6); made++ } catch (e) { error = e } }
      return [made, error.name, error.code, error instanceof DOMException, __test.web.timers.count()]`;
    expect(await run(code)).toEqual([10_000, 'QuotaExceededError', 22, true, 10_000]);
  });

  test('the limit of the plugin is kept, and a timer that ends makes room', async () => {
    const code = `__test.web.timers.allow(3); const made = []; let refused = 0; let why;
      const tryOne = (make) => { try { made.push(make()) } catch (e) { refused++; why = e.message } };
      for (let i = 0; i < 1e5; i++) tryOne(() => i % 2 ? setTimeout(() => {}, 50) : setInterval(() => {}, NaN));
      clearInterval(made[0]); tryOne(() => setTimeout(() => {}, -1)); tryOne(() => setTimeout(() => {}, 2 ** 32));
      return [made.length, refused, why, __test.web.timers.count()]`;
    const message = 'The limit timers (3) is used up: as many wait';
    expect(await run(code)).toEqual([4, 1e5 - 3 + 1, message, 3]);
  });

  test('ten thousand are cleared in any order', async () => {
    const code = `const seen = []; const ids = [];
      for (let i = 0; i < 10000; i++) ids.push(setTimeout(() => seen.push(i), (i * 7919) % 10007));
      for (let i = 0; i < 10000; i++) if (i % 100 !== 0) clearTimeout(ids[(i * 31) % 10000] ?? 0);
      const left = __test.web.timers.count();
      await new Promise((done) => setTimeout(done, 20000));
      const due = seen.map(i => (i * 7919) % 10007);
      return [left === seen.length, seen.length, due.every((d, i) => i === 0 || d >= due[i - 1])]`;
    expect(await run(code)).toEqual([true, 100, true]);
  });

  test('a handler has to be a function', async () => {
    const code = `return ['x=1', null, {}].map(h => { try { setTimeout(h, 0) } catch (e) { return e.name } })`;
    expect(await run(code)).toEqual(['TypeError', 'TypeError', 'TypeError']);
  });
});

test('performance counts from the start', async () => {
  const code = `await new Promise((done) => setTimeout(done, 25));
    return [performance.now(), performance.timeOrigin > 1.6e12, Object.keys(performance.toJSON())]`;
  expect(await run(code)).toEqual([25, true, ['timeOrigin']]);
});
