import { expect, test } from 'bun:test';
import type { Reply, Work } from '../../runtime/isolate/crypto/guest-crypto.ts';
import { CRYPTO_LIMITS } from '../../runtime/isolate/crypto/limits.ts';
import { Turns } from '../../runtime/isolate/crypto/turns.ts';

// Who may use the threads of a process, when some would use all of them for ever.

const REPLY: Reply = { failed: false, head: '{}', body: null };
const { process: MOST, isolate: EACH, heavyInProcess: MOST_SLOW, heavyInIsolate: EACH_SLOW } = CRYPTO_LIMITS.running;

/** Work that is over when the test says so; the names of those that began, in order, and the replies. */
function scene() {
  const turns = new Turns();
  const began: string[] = [];
  const replies: string[] = [];
  const ends = new Map<string, () => void>();
  const add = (isolate: number, name: string, { slow = false, bytes = 1 } = {}): void => {
    const work: Work = {
      bytes,
      slow,
      run: () => {
        began.push(name);
        return new Promise((resolve) => ends.set(name, () => resolve(REPLY)));
      },
    };
    turns.add(isolate, work, (reply) => replies.push(`${name}${reply.failed ? ' refused' : ''}`));
  };
  const end = async (name: string): Promise<void> => {
    ends.get(name)?.();
    await new Promise((resolve) => setImmediate(resolve));
  };
  return { turns, began, replies, add, end };
}

test('one isolate has a few threads, and whoever comes next has the others at once', async () => {
  const { began, add, end } = scene();
  for (let at = 0; at < 10; at += 1) add(1, `flood ${at}`);
  expect(began).toHaveLength(EACH);
  add(2, 'neighbour');
  expect(began.at(-1)).toBe('neighbour');
  await end('flood 0');
  expect(began).toHaveLength(EACH + 2);
});

test('those that wait take turns by isolate, not by who asked more', async () => {
  const { began, add, end } = scene();
  for (const isolate of [1, 2]) for (let at = 0; at < 5; at += 1) add(isolate, `${isolate}-${at}`);
  expect(began).toEqual(['1-0', '1-1', '2-0', '2-1']);
  add(3, '3-0');
  await end('1-0');
  expect(began.at(-1)).toBe('1-2');
  // Isolate 1 was served last: now it is the turn of the one that waits and has none.
  await end('2-0');
  expect(['2-2', '3-0']).toContain(began.at(-1) as string);
  await end('2-1');
  expect(began.slice(4)).toContain('3-0');
  expect(began.length).toBeLessThanOrEqual(MOST + 3);
});

test('slow work never has all threads, and a quick one overtakes it', async () => {
  const { began, add, end } = scene();
  for (const isolate of [1, 2, 3, 4])
    for (let at = 0; at < 2; at += 1) add(isolate, `slow ${isolate}-${at}`, { slow: true });
  expect(began).toHaveLength(MOST_SLOW);
  expect(EACH_SLOW).toBeLessThan(EACH);
  add(1, 'quick');
  add(5, 'neighbour');
  expect(began.slice(MOST_SLOW)).toEqual(['quick', 'neighbour']);
  await end('slow 1-0');
  expect(began.at(-1)).toBe('slow 3-0');
});

/** What was put off with `setImmediate` is done. */
const turn = () => new Promise((resolve) => setImmediate(resolve));

test('what waits is bounded, by number and by bytes, for each isolate alone; a refusal comes later', async () => {
  const { add, replies } = scene();
  const half = CRYPTO_LIMITS.waitingBytes / 2;
  add(1, 'a', { bytes: half });
  add(1, 'b', { bytes: half });
  add(1, 'c', { bytes: 1 });
  add(2, 'd', { bytes: half });
  expect(replies).toEqual([]);
  await turn();
  expect(replies).toEqual(['c refused']);
  // One has the last thread, the others wait.
  for (let at = 0; at <= CRYPTO_LIMITS.waiting + 1; at += 1) add(3, `${at}`);
  await turn();
  expect(replies.at(-1)).toBe(`${CRYPTO_LIMITS.waiting + 1} refused`);
  expect(replies).toHaveLength(2);
});

test('an isolate that is gone begins nothing more', async () => {
  const { turns, began, replies, add, end } = scene();
  for (let at = 0; at < 5; at += 1) add(1, `${at}`);
  turns.drop(1);
  await end('0');
  await end('1');
  expect(began).toEqual(['0', '1']);
  expect(replies).toEqual(['0', '1']);
});
