import { expect, test } from 'bun:test';
import { ByteQueue } from '../../src/host/byte-queue.ts';
import { seeded } from '../kit/seeded.ts';

test('what goes in comes out, in order, whatever the sizes; the source may be used again', () => {
  const random = seeded(3);
  for (let round = 0; round < 200; round += 1) {
    const queue = new ByteQueue();
    const sent: Buffer[] = [];
    const came: Buffer[] = [];
    for (let nth = 0; nth < 30; nth += 1) {
      const bytes = random.bytes(random.below(300));
      sent.push(Buffer.from(bytes));
      queue.push(bytes);
      bytes.fill(0xee);
      if (random.below(5) > 0) continue;
      const taken = queue.take();
      if (taken !== null) came.push(taken);
      expect(queue.length).toBe(0);
    }
    const rest = queue.take();
    expect(Buffer.concat(rest === null ? came : [...came, rest])).toEqual(Buffer.concat(sent));
    expect(queue.take()).toBeNull();
  }
});

test('what was taken is its taker’s: nothing that comes after changes it', () => {
  const queue = new ByteQueue();
  queue.push(Buffer.from('first'));
  const first = queue.take();
  queue.push(Buffer.from('other'));
  expect(first?.toString()).toBe('first');
  queue.clear();
  expect([queue.length, queue.take()]).toEqual([0, null]);
});
