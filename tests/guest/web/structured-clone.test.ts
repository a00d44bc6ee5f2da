import { afterAll, expect, test } from 'bun:test';
import { startIsolates } from '../../kit/isolates.ts';

const isolates = await startIsolates();
afterAll(() => isolates.close());
const { run } = isolates;

test.each<[string, string, unknown]>([
  [
    'plain values',
    `structuredClone({ a: [1, 'x', null, true, -0 === 0], b: { c: undefined } })`,
    { a: [1, 'x', null, true, true], b: {} },
  ],
  [
    'circles and shared objects',
    `(a => { a.self = a; a.list = [a.shared, a.shared]; const c = structuredClone(a); return [c !== a, c.self === c, c.list[0] === c.shared, c.list[1] === c.shared, c.shared !== a.shared] })({ shared: {} })`,
    [true, true, true, true, true],
  ],
  [
    'Map and Set',
    `(() => { const m = new Map([[{ k: 1 }, new Set([1])]]); m.set('self', m); const c = structuredClone(m); return [c.get('self') === c, [...c.keys()][0].k, [...[...c.values()][0]]] })()`,
    [true, 1, [1]],
  ],
  [
    'dates, expressions and boxes',
    `(c => [c.d.getTime(), c.r.source, c.r.flags, c.r.lastIndex, c.n.valueOf(), typeof c.s, c.b.valueOf() === 5n])(structuredClone({ d: new Date(5), r: Object.assign(/a(b)/giu, { lastIndex: 3 }), n: Object(1), s: Object('x'), b: Object(5n) }))`,
    [5, 'a(b)', 'giu', 0, 1, 'object', true],
  ],
  [
    'views share their buffer',
    `(() => { const b = new ArrayBuffer(8); const c = structuredClone([new Uint8Array(b, 2, 3), new DataView(b), b]); return [c[0].buffer === c[2], c[1].buffer === c[2], c[0].byteOffset, c[0].length, c[2] !== b] })()`,
    [true, true, 2, 3, true],
  ],
  [
    'errors',
    `(c => [c instanceof RangeError, c.message, c.cause.name, c.cause instanceof TypeError, 'extra' in c, c.stack.includes('boom')])(structuredClone(Object.assign(new RangeError('boom', { cause: new TypeError('t') }), { extra: 1 })))`,
    [true, 'boom', 'TypeError', true, false, true],
  ],
  [
    'errors of unknown names',
    `(c => [c.constructor === Error, c.name])(structuredClone(Object.assign(new Error('x'), { name: 'Mine' })))`,
    [true, 'Error'],
  ],
  [
    'DOMException',
    `(c => [c instanceof DOMException, c.name, c.code])(structuredClone(new DOMException('x', 'AbortError')))`,
    [true, 'AbortError', 20],
  ],
  [
    'Blob and File',
    `await (async () => { const [b, f] = structuredClone([new Blob(['x'], { type: 'a/b' }), new File(['y'], 'n', { lastModified: 1 })]); return [b.type, await b.text(), f.name, f.lastModified, await f.text(), f instanceof File] })()`,
    ['a/b', 'x', 'n', 1, 'y', true],
  ],
  [
    'own enumerable properties alone',
    `(() => { class A { constructor() { this.x = 1; this[Symbol('s')] = 2; Object.defineProperty(this, 'h', { value: 3 }) } get y() { return 4 } } const c = structuredClone(new A()); return [c, c.constructor === Object] })()`,
    [{ x: 1 }, true],
  ],
  ['getters are read', `structuredClone({ get a() { return 7 } })`, { a: 7 }],
  [
    'holes and extra properties of arrays',
    `(c => [c.length, 1 in c, c.x])(structuredClone(Object.assign([1, , 3], { x: 'y' })))`,
    [3, false, 'y'],
  ],
  [
    '__proto__ as a key',
    `(c => [Object.getPrototypeOf(c) === Object.prototype, Object.hasOwn(c, '__proto__'), ({}).polluted])(structuredClone(JSON.parse('{"__proto__":{"polluted":1}}')))`,
    [true, true, null],
  ],
  [
    'a false toStringTag',
    `(c => [c instanceof Map, c.a])(structuredClone({ a: 1, [Symbol.toStringTag]: 'Map' }))`,
    [false, 1],
  ],
  [
    'a Map under another tag',
    `structuredClone(Object.defineProperty(new Map([[1, 2]]), Symbol.toStringTag, { value: 'X' })) instanceof Map`,
    true,
  ],
  [
    'transfer moves a buffer',
    `(() => { const b = new ArrayBuffer(8); const c = structuredClone({ b }, { transfer: [b] }); return [b.detached, b.byteLength, c.b.byteLength] })()`,
    [true, 0, 8],
  ],
])('%s', async (_, code, expected) => {
  expect(await run(`return ${code}`)).toEqual(expected);
});

test.each([
  ['a function', `() => 1`],
  ['a class inside', `{ a: class {} }`],
  ['a symbol', `Symbol('x')`],
  ['a promise', `Promise.resolve()`],
  ['a WeakMap', `new WeakMap()`],
  ['a Response', `new Response()`],
  ['a stream', `new ReadableStream()`],
  ['a detached buffer', `(b => { b.transfer(); return b })(new ArrayBuffer(1))`],
])('%s cannot be cloned', async (_, code) => {
  expect(
    await run(`try { structuredClone(${code}) } catch (e) { return [e.name, e.code, e instanceof DOMException] }`),
  ).toEqual(['DataCloneError', 25, true]);
});

test('a failure leaves what was to be transferred', async () => {
  const code = `const b = new ArrayBuffer(8); try { structuredClone({ b, f() {} }, { transfer: [b] }) } catch (e) { return [e.name, b.byteLength] }`;
  expect(await run(code)).toEqual(['DataCloneError', 8]);
});

test.each<[string, string, unknown]>([
  [
    'a readable stream',
    `const s = new ReadableStream({ start(c) { c.enqueue(chunk); c.close() } }); const m = structuredClone({ s }, { transfer: [s] }).s;
     const got = []; for await (const each of m) got.push(each); return [s.locked, m !== s, got, got[0] !== chunk]`,
    [true, true, [{ n: 1 }], true],
  ],
  [
    'cancelling the moved one cancels the source',
    `let why; const s = new ReadableStream({ cancel(reason) { why = reason } }); await structuredClone(s, { transfer: [s] }).cancel('enough'); return why`,
    'enough',
  ],
  [
    'a chunk that cannot be copied',
    `let why; const s = new ReadableStream({ start(c) { c.enqueue(() => {}) }, cancel(reason) { why = reason.name } });
     const name = await structuredClone(s, { transfer: [s] }).getReader().read().catch((e) => e.name); return [name, why]`,
    ['DataCloneError', 'DataCloneError'],
  ],
  [
    'a writable stream',
    `const got = []; const s = new WritableStream({ write(c) { got.push(c) }, close() { got.push('closed') } });
     const w = structuredClone(s, { transfer: [s] }).getWriter(); await w.write(chunk); await w.close(); return [s.locked, got, got[0] !== chunk]`,
    [true, [{ n: 1 }, 'closed'], true],
  ],
  [
    'an error of the sink reaches the moved one',
    `const s = new WritableStream({ write() { throw new RangeError('full') } }); const w = structuredClone(s, { transfer: [s] }).getWriter();
     w.write(1).catch(() => {}); return w.closed.catch((e) => e.name)`,
    'RangeError',
  ],
  [
    'a transform stream',
    `const s = new TransformStream({ transform(c, t) { t.enqueue(c * 2) } }); const m = structuredClone(s, { transfer: [s] });
     const w = m.writable.getWriter(); w.write(2); w.close(); const got = []; for await (const each of m.readable) got.push(each);
     return [s.readable.locked, s.writable.locked, m instanceof TransformStream, got]`,
    [true, true, true, [4]],
  ],
  [
    'what is locked or not in the list stays where it is',
    `const s = new ReadableStream(); const locked = new ReadableStream(); locked.getReader();
     const refused = (v, transfer) => { try { structuredClone(v, { transfer }); return 'done' } catch (e) { return e.name } };
     return [refused(s, []), refused(0, [locked]), refused(0, [s, s]), refused(0, [{}]), refused(0, [1]), s.locked]`,
    ['DataCloneError', 'DataCloneError', 'DataCloneError', 'DataCloneError', 'TypeError', false],
  ],
  [
    'an object that only looks like a stream',
    `try { structuredClone(0, { transfer: [{ _readableStreamController: {} }] }) } catch (e) { return e.name }`,
    'DataCloneError',
  ],
])('transfer of %s', async (_, code, expected) => {
  expect(await run(`const chunk = { n: 1 }; ${code}`)).toEqual(expected);
});
