import { expect, test } from 'bun:test';
import { FloodWatch } from '../../src/host/flood-watch.ts';
import { HOST_LIMITS } from '../../src/host/limits.ts';

const { floodMs, floodShare } = HOST_LIMITS;
/** Time of the core that is just under what is taken for a flood. */
const BEARABLE = floodMs * floodShare - 1;

test('a host that keeps the core busy, with the isolate that sent most', () => {
  const watch = new FloodWatch();
  expect(watch.look(0, 0)).toBeNull();
  for (let frame = 0; frame < 10; frame += 1) watch.count(frame < 6 ? 7 : 8);
  expect(watch.look(floodMs - 1, floodMs)).toBeNull();
  expect(watch.look(floodMs, floodMs)).toEqual([7]);
});

test('nobody is blamed when no isolate sent most', () => {
  const watch = new FloodWatch();
  watch.look(0, 0);
  for (const isolate of [1, 2, 3, 4]) watch.count(isolate);
  expect(watch.look(floodMs, floodMs)).toEqual([]);
});

test('much work is none, and an old flood is forgotten', () => {
  const watch = new FloodWatch();
  watch.look(0, 0);
  watch.count(1);
  expect(watch.look(floodMs, BEARABLE)).toBeNull();
  expect(watch.look(2 * floodMs, 2 * BEARABLE)).toBeNull();
});
