import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { join } from 'node:path';
import { inNode } from '../../kit/in-node.ts';
import { type Isolates, startIsolates } from '../../kit/isolates.ts';

let isolates: Isolates;
beforeAll(async () => {
  isolates = await startIsolates(join(import.meta.dir, '../../kit/node-entry.ts'));
});
afterAll(() => isolates.close());

describe('node:util and node:assert, as in Node', () => {
  test.each([
    [
      'inspect and format',
      `const util = __require('node:util');
const { Buffer } = __require('node:buffer');
class Foo { #hidden = 1; a = new Map([[{ x: 1 }, new Set([1])]]); get b() { return 1; } }
class Custom { [util.inspect.custom](depth, { stylize }) { return 'custom ' + depth + stylize('x', 'special'); } }
const circular = { name: 'c' };
circular.self = circular;
return [
  util.inspect({ a: 1, b: [1, 2, { c: { d: {} } }], s: 'x\\n', f() {}, g: class A {}, e: new Foo(), d: new Date(0), buf: Buffer.from('hi'), n: null, sym: Symbol('q'), big: 10n }),
  util.inspect(circular), util.inspect(new Custom()), util.inspect([1, , 3]), util.inspect({ a: { b: { c: { d: 1 } } } }, { depth: 0 }), util.inspect('it\\'s'),
  util.inspect(new Error('e')).split('\\n')[0], util.inspect({ a: 1 }, { colors: true }), util.inspect(Array.from({ length: 200 }, (_, i) => i)).length, util.inspect(Object.create(null)),
  util.format('%s %d %j %o %% %i %f', 'a', 1.5, { a: 1 }, [1], '42.7', '1.5', 'extra', { b: 2 }), util.format('%s', Symbol('a')), util.format('%c %O', 'css', { a: { b: { c: {} } } }),
];`,
    ],
    [
      'promisify and callbackify',
      `const util = __require('node:util');
const out = [];
const add = (a, done) => done(null, a + 1);
out.push(await util.promisify(add)(1), await util.promisify((done) => done(new Error('p')))().catch((error) => error.message));
add[util.promisify.custom] = async () => 'own';
out.push(await util.promisify(add)(1), util.promisify(add) === util.promisify(util.promisify(add)));
out.push(await new Promise((resolve) => util.callbackify(async (x) => x * 2)(4, (...args) => resolve(args))));
out.push(await new Promise((resolve) => util.callbackify(() => Promise.reject(null))(({ code, reason }) => resolve([code, reason]))));
try { util.promisify(1); } catch ({ name, code }) { out.push([name, code]); }
return out;`,
    ],
    [
      'types',
      `const { types } = __require('node:util');
const values = [
  new Date(), /x/, new Map(), new Set(), Promise.resolve(), new Uint8Array(), new Float64Array(), new TypeError(), async () => {}, function* () {}, async function* () {}, (function* () {})(),
  Object(1), Object('x'), Object(1n), Object(Symbol()), new DataView(new ArrayBuffer(1)), new ArrayBuffer(1), new WeakMap(), new WeakSet(), new Map().keys(), new Set().values(),
  (function () { return arguments; })(), {}, { [Symbol.toStringTag]: 'Map' }, Object.create(Date.prototype), null, undefined, 1, 'x',
];
return [__require('node:util/types').isDate === types.isDate, ...['isDate', 'isRegExp', 'isMap', 'isSet', 'isPromise', 'isUint8Array', 'isNativeError', 'isAsyncFunction', 'isGeneratorFunction', 'isGeneratorObject', 'isBoxedPrimitive', 'isArrayBufferView', 'isTypedArray', 'isArrayBuffer', 'isAnyArrayBuffer', 'isDataView', 'isWeakMap', 'isWeakSet', 'isMapIterator', 'isSetIterator', 'isArgumentsObject', 'isNumberObject', 'isStringObject', 'isBigIntObject', 'isSymbolObject'].map((name) => [name, values.map((value) => Number(types[name](value))).join('')])];`,
    ],
    [
      'the rest',
      `const util = __require('node:util');
const equal = [[NaN, NaN], [[1], ['1']], [new Map([[{ a: 1 }, 1]]), new Map([[{ a: 1 }, 1]])], [new Date(1), new Date(2)], [/a/g, /a/], [Object(1), Object(1)]];
return [
  ...equal.map(([a, b]) => util.isDeepStrictEqual(a, b)), util.stripVTControlCharacters('\\u001b[31mx\\u001b[39m'), util.styleText(['bold', 'green'], 'y', { validateStream: false }),
  util.toUSVString('a\\ud800'), util.TextEncoder === TextEncoder, util.debuglog('x').enabled, util.inspect.custom.toString(), util.isArray([]),
];`,
    ],
    [
      'assert',
      `const assert = __require('node:assert');
const fails = async (run) => { try { await run(); return 'fine'; } catch ({ name, code, message, actual, expected, operator, generatedMessage }) { return { name, code, message: message.trim(), actual, expected, operator, generatedMessage }; } };
return [
  await fails(() => assert.deepStrictEqual({ a: 1, b: [1, 2] }, { a: 1, b: [1, 3] })), await fails(() => assert(0, 'zero')), await fails(() => assert.equal(1, '1')), await fails(() => assert.strictEqual(1, 2)),
  await fails(() => assert.throws(() => { throw new TypeError('bad'); }, TypeError)), await fails(() => assert.throws(() => undefined)), await fails(() => assert.rejects(Promise.resolve(1))),
  await fails(() => assert.match('abc', /x/)), await fails(() => assert.ifError(null)), await fails(() => assert.fail('f')), (await fails(() => assert.notDeepEqual([1], ['1']))).operator,
  await fails(() => assert.deepStrictEqual(new Map([[{ a: 1 }, new Set([1, 2])]]), new Map([[{ a: 1 }, new Set([2, 1])]]))),
  __require('node:assert/strict') === assert.strict, await fails(() => assert.strict.equal(1, '1')), new assert.AssertionError({ actual: 1, expected: 2, operator: 'strictEqual' }) instanceof Error,
];`,
    ],
  ])('%s', async (_what, code) => {
    expect(await isolates.run(code)).toEqual(await inNode(code));
  });
});
