import { expect, test } from 'bun:test';
import type { PluginConnection } from '../../src/databases/connection.ts';
import { ConnectionPool } from '../../src/databases/pool.ts';

/** A connection that only says what became of it. */
interface Fake {
  readonly plugin: string;
  readonly database: string;
  isOver: boolean;
  status: string;
  resets: number;
  closed: boolean;
}

function fakePool(max: number) {
  const made: Fake[] = [];
  const pool = new ConnectionPool({
    max,
    open: async (plugin, database) => {
      if (database === 'broken') throw new Error('it is broken');
      const fake: Fake = { plugin, database, isOver: false, status: 'I', resets: 0, closed: false };
      made.push(fake);
      return Object.assign(fake, {
        ready: async () => undefined,
        reset: () => {
          fake.resets += 1;
        },
        close: async () => {
          fake.closed = true;
        },
        destroy: () => {
          fake.closed = true;
        },
      }) as unknown as PluginConnection;
    },
  });
  const take = (plugin: string, database = plugin, signal = new AbortController().signal) =>
    pool.take(plugin, database, signal);
  return { pool, made, take };
}
/** Those of the promises that are settled by now. */
async function settled(promises: readonly Promise<unknown>[]): Promise<number> {
  let count = 0;
  for (const promise of promises) promise.then(() => (count += 1)).catch(() => (count += 1));
  for (let turn = 0; turn < 50; turn += 1) await null;
  return count;
}

test('a connection is opened when it is needed, reset after its use, and used again', async () => {
  const { pool, made, take } = fakePool(10);
  const first = await take('a');
  pool.give(first);
  expect(await take('a')).toBe(first);
  expect(made).toMatchObject([{ resets: 1 }]);
});

test('a plugin has four at most; the fifth waits for one of them', async () => {
  const { pool, made, take } = fakePool(10);
  const four = await Promise.all([1, 2, 3, 4].map(() => take('a')));
  const fifth = take('a');
  expect(await settled([fifth])).toBe(0);
  pool.give(four[0] as PluginConnection);
  expect(await fifth).toBe(four[0] as PluginConnection);
  expect(made.length).toBe(4);
});

test('all together have so many; the next that is free goes to who has the fewest', async () => {
  const { pool, take } = fakePool(4);
  const greedy = await Promise.all([1, 2, 3, 4].map(() => take('greedy')));
  const more = [1, 2, 3].map(() => take('greedy'));
  const modest = take('modest');
  expect(await settled([...more, modest])).toBe(0);
  pool.give(greedy[0] as PluginConnection);
  expect(await settled([modest])).toBe(1);
  expect(await settled(more)).toBe(0);
  expect(Object.fromEntries(pool.sizes())).toEqual({ greedy: 3, modest: 1 });
  pool.give(greedy[1] as PluginConnection);
  expect(await settled(more)).toBe(1);
});

test('what idles gives way to another plugin', async () => {
  const { pool, made, take } = fakePool(2);
  const [first, second] = await Promise.all([take('a'), take('b')]);
  pool.give(first);
  pool.give(second);
  await take('c');
  expect(made.map(({ plugin, closed }) => [plugin, closed])).toEqual([
    ['a', true],
    ['b', false],
    ['c', false],
  ]);
});

test('what idles on another database of the plugin gives way to the one that is asked for', async () => {
  const { pool, made, take } = fakePool(10);
  const four = await Promise.all([1, 2, 3, 4].map(() => take('a', 'old')));
  for (const one of four) pool.give(one);
  await take('a', 'new');
  expect(made.filter(({ closed }) => closed).length).toBe(1);
  await pool.closeIdle('a', 'old');
  expect(Object.fromEntries(pool.sizes())).toEqual({ a: 1 });
});

test('what is over, or in a transaction that nobody ended, is not used again', async () => {
  const { pool, made, take } = fakePool(10);
  const first = await take('a');
  (first as unknown as Fake).status = 'T';
  pool.give(first);
  const second = await take('a');
  (second as unknown as Fake).isOver = true;
  pool.give(second);
  await take('a');
  expect(made.map(({ closed }) => closed)).toEqual([true, true, false]);
});

test('one that cannot be opened leaves its place', async () => {
  const { pool, take } = fakePool(1);
  await expect(take('a', 'broken')).rejects.toThrow('it is broken');
  expect(pool.sizes().size).toBe(0);
  await take('a');
});

test('who gives up waits no longer, and takes nothing', async () => {
  const { pool, take } = fakePool(1);
  const first = await take('a');
  const controller = new AbortController();
  const waiting = take('b', 'b', controller.signal).catch((error: unknown) => error);
  controller.abort(new Error('late'));
  expect(String(await waiting)).toContain('late');
  pool.give(first);
  expect(await take('a')).toBe(first);
});
