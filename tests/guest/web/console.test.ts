import { afterAll, expect, test } from 'bun:test';
import { startIsolates } from '../../kit/isolates.ts';

const isolates = await startIsolates();
afterAll(() => isolates.close());
const { tell } = isolates;

test.each<[string, string, [string, string][]]>([
  [
    'levels',
    `console.debug('a'); console.log('b'); console.info('c'); console.warn('d'); console.error('e')`,
    [
      ['debug', 'a'],
      ['info', 'b'],
      ['info', 'c'],
      ['warn', 'd'],
      ['error', 'e'],
    ],
  ],
  [
    'several arguments',
    `console.log('a', 1, null, undefined, 2n, Symbol('s'), true, -0)`,
    [['info', 'a 1 null undefined 2n Symbol(s) true -0']],
  ],
  [
    'format specifiers',
    `console.log('%s is %d and %i, %f %o %% %c.%j %s', 'x', '4.5', 4.9, '1.5', [1], 'color: red', { a: 1 })`,
    [['info', 'x is 4.5 and 4, 1.5 [ 1 ] % .{ a: 1 } %s']],
  ],
  [
    'objects',
    `console.log({ a: 1, 'b-c': 'x', [Symbol('s')]: [1, 2], f() {}, n: null })`,
    [['info', `{ a: 1, "b-c": "x", f: [Function: f], n: null, [Symbol(s)]: [ 1, 2 ] }`]],
  ],
  [
    'classes, maps, sets and arrays of bytes',
    `class A { x = 1 }; console.log(new A(), new Map([['k', { v: 1 }]]), new Set([1]), new Uint8Array([1, 2]), Object.create(null))`,
    [['info', 'A { x: 1 } Map { "k" => { v: 1 } } Set { 1 } Uint8Array(2) [ 1, 2 ] [Object: null prototype] {}']],
  ],
  [
    'circles and depth',
    `const a = { b: { c: { d: { e: { f: 1 } } } } }; a.self = a; console.log(a)`,
    [['info', '{ b: { c: { d: { e: [Object] } } }, self: [Circular] }']],
  ],
  [
    'getters do not run',
    `console.log({ get a() { throw 1 }, set b(x) {} }, Object.defineProperty(new Error('m'), 'message', { get() { throw 2 } }).name)`,
    [['info', '{ a: [Getter], b: [Setter] } Error']],
  ],
  [
    'assert',
    `console.assert(true, 'no'); console.assert(false); console.assert(0, 'x %d', 1)`,
    [
      ['error', 'Assertion failed'],
      ['error', 'Assertion failed: x 1'],
    ],
  ],
  [
    'count and time',
    `console.count(); console.count('a'); console.count(); console.countReset(); console.count(); console.time('t'); console.timeEnd('t'); console.timeEnd('t')`,
    [
      ['info', 'default: 1'],
      ['info', 'a: 1'],
      ['info', 'default: 2'],
      ['info', 'default: 1'],
      ['info', 't: 0.000 ms'],
      ['warn', 'Timer "t" does not exist'],
    ],
  ],
  [
    'groups',
    `console.group('g'); console.log('in'); console.group(); console.log('deeper'); console.groupEnd(); console.groupEnd(); console.groupEnd(); console.log('out')`,
    [
      ['info', 'g'],
      ['info', '  in'],
      ['info', '    deeper'],
      ['info', 'out'],
    ],
  ],
  [
    'dir and table',
    `console.dir({ a: 1 }, { depth: 0 }); console.table([1])`,
    [
      ['info', '{ a: 1 }'],
      ['info', '[ 1 ]'],
    ],
  ],
  [
    'detached methods',
    `const { log } = console; log('x'); [1].forEach(console.log)`,
    [
      ['info', 'x'],
      ['info', '1 0 [ 1 ]'],
    ],
  ],
])('%s', async (_, code, expected) => {
  expect((await tell(code)).logs).toEqual(expected);
});

test('an error is shown with its stack, cause and own properties', async () => {
  const { logs } = await tell(
    `console.error(Object.assign(new TypeError('boom', { cause: new RangeError('why') }), { code: 'E1' }))`,
  );
  const [level, message] = logs[0] ?? ['', ''];
  expect(level).toBe('error');
  expect(message).toMatch(/^TypeError: boom\n {4}at .*\{ code: "E1", \[cause\]: RangeError: why\n/s);
});

test('trace has the stack of its caller', async () => {
  const { logs } = await tell(`function here() { console.trace('t') } here()`);
  expect(logs[0]?.[0]).toBe('debug');
  expect(logs[0]?.[1]).toMatch(/^Trace: t\n {4}at here /);
});

test.each([
  [
    'proxies whose traps throw',
    `new Proxy({}, { getPrototypeOf() { throw 1 }, ownKeys() { throw 1 }, get() { throw 1 } })`,
  ],
  ['revoked proxies', `(p => { p.revoke(); return p.proxy })(Proxy.revocable({}, {}))`],
  ['a throwing toStringTag', `{ get [Symbol.toStringTag]() { throw 1 } }`],
  ['an error with a throwing stack', `Object.defineProperty(new Error('x'), 'stack', { get() { throw 1 } })`],
  ['a hostile prepareStackTrace', `(Error.prepareStackTrace = () => { throw 1 }, new Error('x'))`],
  ['a constructor that is not one', `{ constructor: 1 }`],
])('%s do no harm', async (_, value) => {
  const { logs, value: done } = await tell(`console.log(${value}); return 'done'`);
  expect([logs.length, done]).toEqual([1, 'done']);
});

test('what is written is bounded', async () => {
  const { logs } = await tell(`
    console.log('x'.repeat(1e6));
    console.log(Array.from({ length: 1e5 }, (_, i) => ({ i })));
    const wide = {}; for (let i = 0; i < 1e4; i++) wide['k' + i] = 'v'.repeat(1000);
    console.log(wide);
    let deep = {}; for (let i = 0; i < 1e5; i++) deep = { deep };
    console.log(deep);`);
  expect(logs.map(([, message]) => message.length <= 16 * 1024 + 1)).toEqual([true, true, true, true]);
  expect(logs[1]?.[1]).toContain('more');
});
