import { afterAll, expect, test } from 'bun:test';
import { startIsolates } from '../../kit/isolates.ts';

const isolates = await startIsolates();
afterAll(() => isolates.close());
const { run } = isolates;

test.each<[string, string, unknown]>([
  [
    'what is not counted is gone',
    `['SharedArrayBuffer', 'Atomics', 'WebAssembly', 'gc', 'ShadowRealm'].filter(name => globalThis[name] !== undefined)`,
    [],
  ],
  [
    'buffers do not grow',
    `(b => [b.resizable, b.byteLength, 'resize' in ArrayBuffer.prototype])(new ArrayBuffer(8, { maxByteLength: 2 ** 32 }))`,
    [false, 8, false],
  ],
  [
    'by no way to the constructor',
    `[new ArrayBuffer(1).constructor, new Uint8Array(1).buffer.constructor, Object.getPrototypeOf(new ArrayBuffer(1)).constructor, ArrayBuffer[Symbol.species], new ArrayBuffer(1).slice().constructor, structuredClone(new ArrayBuffer(1)).constructor].map(C => C === ArrayBuffer && new C(1, { maxByteLength: 9 }).resizable)`,
    Array(6).fill(false),
  ],
  [
    'nor by a subclass or Reflect',
    `[new (class extends ArrayBuffer {})(1, { maxByteLength: 9 }).resizable, Reflect.construct(ArrayBuffer, [1, { maxByteLength: 9 }], Object).constructor === Object]`,
    [false, true],
  ],
  [
    'a buffer is otherwise one',
    `[ArrayBuffer.name, ArrayBuffer.length, ArrayBuffer.isView(new Uint8Array(1)), new ArrayBuffer(5).slice(1, 3).byteLength, new ArrayBuffer(2) instanceof ArrayBuffer, String(new ArrayBuffer(1)), new Uint8Array(new ArrayBuffer(8), 4).length]`,
    ['ArrayBuffer', 1, true, 2, true, '[object ArrayBuffer]', 4],
  ],
  ['it needs new', `(() => { try { ArrayBuffer(1) } catch (e) { return e.name } })()`, 'TypeError'],
  ['transfer moves', `(b => [b.transfer(4).byteLength, b.detached])(new ArrayBuffer(8))`, [4, true]],
])('%s', async (_, code, expected) => {
  expect(await run(`return ${code}`)).toEqual(expected);
});

test.each([
  ['new ArrayBuffer', 'new ArrayBuffer(1e6)'],
  ['new Uint8Array', 'new Uint8Array(1e6)'],
  ['transfer', 'new ArrayBuffer(8).transfer(1e6)'],
  ['transferToFixedLength', 'new ArrayBuffer(8).transferToFixedLength(1e6)'],
  ['slice', 'big.slice(0)'],
  ['structuredClone', 'structuredClone(big)'],
])('memory of %s is counted', async (_, make) => {
  const code = `const big = new ArrayBuffer(1e6); const kept = []; try { for (let i = 0; i < 1000; i++) kept.push(${make}) } catch (e) { return [e.name, kept.length < 200] }`;
  expect(await run(code)).toEqual(['RangeError', true]);
});
