import { afterAll, expect, test } from 'bun:test';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadPrelude } from '../../../src/host/prelude.ts';
import { startIsolates } from '../../kit/isolates.ts';

const entry = `${import.meta.dir}/../../kit/prelude-entry.ts`;
const isolates = await startIsolates();
afterAll(() => isolates.close());
const { run } = isolates;

const CLASSES =
  `AbortController AbortSignal Blob ByteLengthQueuingStrategy CompressionStream CountQueuingStrategy Crypto CustomEvent
  DOMException DecompressionStream ErrorEvent Event EventTarget File FileReader FormData Headers MessageChannel MessageEvent MessagePort Navigator Performance ProgressEvent PromiseRejectionEvent ReadableByteStreamController ReadableStream
  ReadableStreamBYOBReader ReadableStreamBYOBRequest ReadableStreamDefaultController ReadableStreamDefaultReader Request
  Response TextDecoder TextDecoderStream TextEncoder TextEncoderStream TransformStream TransformStreamDefaultController URL URLPattern
  URLSearchParams WritableStream WritableStreamDefaultController WritableStreamDefaultWriter`.split(/\s+/);
const FUNCTIONS =
  `atob btoa clearInterval clearTimeout fetch queueMicrotask reportError setInterval setTimeout structuredClone`.split(
    ' ',
  );
const OBJECTS = ['console', 'crypto', 'navigator', 'performance', 'self'];
const all = JSON.stringify([...CLASSES, ...FUNCTIONS, ...OBJECTS]);

test('classes and functions have their names and kinds', async () => {
  const code = `return ${JSON.stringify([...CLASSES, ...FUNCTIONS])}.filter(name => typeof globalThis[name] !== 'function' || globalThis[name].name !== name)`;
  expect(await run(code)).toEqual([]);
  expect(await run(`return ${JSON.stringify(OBJECTS)}.filter(name => typeof globalThis[name] !== 'object')`)).toEqual(
    [],
  );
});

test('they are not enumerable, and can be replaced before and after the first touch', async () => {
  const code = `
    const names = ${all}; const odd = [];
    for (const touch of [false, true]) for (const name of names) {
      if (touch) globalThis[name];
      const { enumerable, configurable, get, writable } = Object.getOwnPropertyDescriptor(globalThis, name);
      if (enumerable || !configurable || (touch && (get || !writable))) odd.push([name, touch]);
    }
    return [odd, Object.keys(globalThis).filter(name => names.includes(name))]`;
  expect(await run(code)).toEqual([[], []]);
  const replace = `return ${all}.filter(name => { globalThis[name] = 7; return globalThis[name] !== 7 })`;
  expect(await run(replace)).toEqual([]);
});

test('self and navigator', async () => {
  expect(
    await run(`return [self === globalThis, navigator.userAgent, String(navigator), String(performance)]`),
  ).toEqual([true, 'StreamSpace', '[object Navigator]', '[object Performance]']);
});

test('classes that are not to be made by hand', async () => {
  const code = `return [AbortSignal, Crypto, Navigator, Performance].map(C => { try { new C() } catch (e) { return e.name } })`;
  expect(await run(code)).toEqual(Array(4).fill('TypeError'));
});

test('DOMException', async () => {
  const code = `const e = new DOMException('m', 'AbortError');
    return [e.name, e.message, e.code, e instanceof Error, String(e), e.stack.startsWith('AbortError: m\\n'), DOMException.ABORT_ERR,
      e.DATA_CLONE_ERR, new DOMException().name, new DOMException('x', 'Mine').code, new DOMException('x', { name: 'A', cause: 1 }).cause,
      Object.prototype.toString.call(e), Object.keys(e)]`;
  expect(await run(code)).toEqual([
    'AbortError',
    'm',
    20,
    true,
    'AbortError: m',
    true,
    20,
    25,
    'Error',
    0,
    1,
    '[object DOMException]',
    [],
  ]);
});

test('reportError tells the host', async () => {
  expect((await isolates.tell(`reportError(new Error('x'))`)).errors).toEqual(['Error: x']);
});

test('microtasks run before the next timer', async () => {
  const code = `const seen = []; setTimeout(() => seen.push('timer')); queueMicrotask(() => seen.push('micro')); seen.push('now');
    await new Promise((done) => setTimeout(done, 1)); return seen`;
  expect(await run(code)).toEqual(['now', 'micro', 'timer']);
});

test('the prelude is ASCII without a source map, the same each time, and its core is small', async () => {
  const folders = [mkdtempSync(join(tmpdir(), 'prelude-')), mkdtempSync(join(tmpdir(), 'prelude-'))] as const;
  const [first, second] = await Promise.all(folders.map((folder) => loadPrelude(folder, entry)));
  expect(first).toBe(second as string);
  expect(await loadPrelude(folders[0], entry)).toBe(first as string);
  for (const folder of folders) rmSync(folder, { recursive: true });
  if (first === undefined) throw new Error('no prelude');
  expect(Buffer.byteLength(first)).toBe(first.length);
  expect(first).not.toContain('sourceMappingURL');
  expect(first).not.toContain('/work/');
  // What is heavy is a part: a jump in size is memory in every isolate.
  expect((JSON.parse(first) as { core: string }).core.length).toBeLessThan(64_000);
});

test('one touch makes all of a module, but nothing that a guest put in its place', async () => {
  const code = `
    const mine = () => 1; globalThis.URL = mine; delete globalThis.File;
    Object.defineProperty(globalThis, 'TextEncoder', { get: () => mine, configurable: true });
    new URLSearchParams(); new Blob(); new TextDecoder();
    const plain = name => typeof Object.getOwnPropertyDescriptor(globalThis, name)?.value;
    return [URL === mine, typeof File, TextEncoder === mine, plain('TextDecoderStream')]`;
  expect(await run(code)).toEqual([true, 'undefined', true, 'function']);
});
