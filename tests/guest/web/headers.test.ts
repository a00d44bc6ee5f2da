import { afterAll, expect, test } from 'bun:test';
import { startIsolates } from '../../kit/isolates.ts';

const isolates = await startIsolates();
afterAll(() => isolates.close());
const { run } = isolates;

test.each<[string, string, unknown]>([
  [
    'pairs, records and Headers',
    `[[['B', '1'], ['a', '2']], { B: '1', a: '2' }, new Headers({ B: '1', a: '2' })].map(init => [...new Headers(init)])`,
    Array(3).fill([
      ['a', '2'],
      ['b', '1'],
    ]),
  ],
  [
    'values are combined in the order they came',
    `(h => { h.append('a', '1'); h.append('A', '2'); return h.get('a') })(new Headers())`,
    '1, 2',
  ],
  [
    'Set-Cookie stays apart',
    `(h => { h.append('set-cookie', 'b=1'); h.append('x', 'y'); h.append('Set-Cookie', 'a=2'); return [[...h], h.getSetCookie(), h.get('set-cookie')] })(new Headers())`,
    [
      [
        ['set-cookie', 'b=1'],
        ['set-cookie', 'a=2'],
        ['x', 'y'],
      ],
      ['b=1', 'a=2'],
      'b=1, a=2',
    ],
  ],
  ['whitespace around values goes', `new Headers({ a: ' \\t\\r\\n x y \\n' }).get('a')`, 'x y'],
  ['values become text', `(h => [h.get('a'), h.get('b')])(new Headers({ a: 1, b: undefined }))`, ['1', 'undefined']],
  [
    'set replaces all, in place',
    `(h => { h.set('a', '9'); return [...h.entries()] })(new Headers([['a', '1'], ['b', '2'], ['a', '3']]))`,
    [
      ['a', '9'],
      ['b', '2'],
    ],
  ],
  [
    'delete and has',
    `(h => { h.delete('A'); return [h.has('a'), h.has('b'), h.get('a')] })(new Headers({ a: '1', b: '2' }))`,
    [false, true, null],
  ],
  [
    'keys, values and forEach',
    `(h => { const seen = []; h.forEach((value, name, all) => seen.push([name, value, all === h])); return [[...h.keys()], [...h.values()], seen] })(new Headers({ b: '2', a: '1' }))`,
    [
      ['a', 'b'],
      ['1', '2'],
      [
        ['a', '1', true],
        ['b', '2', true],
      ],
    ],
  ],
  [
    'iteration is live',
    `(h => { const seen = []; for (const [name] of h) { seen.push(name); if (name === 'a') h.set('c', '1') } return seen })(new Headers({ a: '1', b: '1' }))`,
    ['a', 'b', 'c'],
  ],
  [
    'the iterator is one of Web IDL',
    `(i => [Object.prototype.toString.call(i), i[Symbol.iterator]() === i, typeof i.map])(new Headers({ a: '1' }).entries())`,
    ['[object Headers Iterator]', true, 'function'],
  ],
  ['entries is the iterator', `Headers.prototype.entries === Headers.prototype[Symbol.iterator]`, true],
  ['bytes above ASCII', `new Headers({ a: 'é' }).get('a')`, 'é'],
])('%s', async (_, code, expected) => {
  expect(await run(`return ${code}`)).toEqual(expected);
});

test.each([
  ['an empty name', `new Headers([['', 'x']])`],
  ['a name with a space', `new Headers({ 'a b': 'x' })`],
  ['a name that is not ASCII', `new Headers({ 'é': 'x' })`],
  ['a line break in a value', `new Headers({ a: 'x\\r\\ny' })`],
  ['a NUL in a value', `new Headers({ a: 'x\\0y' })`],
  ['a char above U+00FF', `new Headers({ a: '\\u0100' })`],
  ['a pair of three', `new Headers([['a', 'b', 'c']])`],
  ['null', `new Headers(null)`],
  ['a symbol as name', `new Headers({ [Symbol('x')]: 'y' })`],
  ['append with one argument', `new Headers().append('a')`],
  ['get of an invalid name', `new Headers().get('a b')`],
  ['a change to a redirect', `Response.redirect('https://a/').headers.append('a', 'b')`],
])('refuses %s', async (_, code) => {
  expect(await run(`try { ${code}; return 'taken' } catch (error) { return error.name }`)).toBe('TypeError');
});
