import { expect, test } from 'bun:test';
import { fstatSync, writeSync } from 'node:fs';
import { BLACK_BOX, readBlackBox } from '../../runtime/protocol/black-box.ts';
import { BlackBoxFile } from '../../src/host/black-box.ts';

test('a new one says that nobody runs', () => {
  const box = BlackBoxFile.unnamed();
  expect(box.read()).toEqual({ main: null, pool: [] });
  expect(fstatSync(box.descriptor)).toMatchObject({ nlink: 0, size: BLACK_BOX.bytes });
  box.close();
});

test('it is read as it was written, and as nobody once it is closed', () => {
  const box = BlackBoxFile.unnamed();
  const words = new Uint32Array(BLACK_BOX.words);
  words.set([7, 0, 9, 4_000_000_000]);
  writeSync(box.descriptor, new Uint8Array(words.buffer), 0, BLACK_BOX.bytes, 0);
  expect(box.read()).toEqual({ main: 7, pool: [9, 4_000_000_000] });
  box.close();
  box.close();
  expect(box.read()).toEqual({ main: null, pool: [] });
});

test.each([0, 1, 3, 4, 63])('a hostile host may leave %d bytes', (length) => {
  const { main, pool } = readBlackBox(new Uint8Array(length).fill(255));
  expect(main).toBe(length < 4 ? null : 0xffff_ffff);
  expect(pool.length).toBe(Math.max(0, Math.floor(length / 4) - 1));
});
