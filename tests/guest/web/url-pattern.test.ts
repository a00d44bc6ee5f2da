import { afterAll, expect, test } from 'bun:test';
import { startIsolates } from '../../kit/isolates.ts';

const isolates = await startIsolates();
afterAll(() => isolates.close());
const { run } = isolates;

test.each<[string, string, unknown]>([
  [
    'groups of a path',
    `(m => [m.pathname.groups, m.pathname.input, m.hostname.groups])(new URLPattern('https://*.example.com/books/:id{.:format}?').exec('https://a.example.com/books/7.pdf'))`,
    [{ id: '7', format: 'pdf' }, '/books/7.pdf', { 0: 'a' }],
  ],
  ['no match', `new URLPattern({ pathname: '/a' }).exec('https://h/b')`, null],
  ['a base', `new URLPattern('/b/*', 'https://h/a').test('https://h/b/c')`, true],
  ['case', `new URLPattern({ pathname: '/A' }, { ignoreCase: true }).test({ pathname: '/a' })`, true],
  [
    'parts',
    `(p => [p.protocol, p.hostname, p.port, p.pathname, p.search, p.hash, p.hasRegExpGroups])(new URLPattern('https://h:8080/(\\\\d+)\\\\?q=*'))`,
    ['https', 'h', '8080', '/(\\d+)', 'q=*', '*', true],
  ],
  [
    'set notation in groups',
    `['a', 'z'].map((x) => new URLPattern({ pathname: '/([[a-z]--a])' }).test({ pathname: '/' + x }))`,
    [false, true],
  ],
  [
    'what is not a pattern',
    `['(', '{', { pathname: '/:' }, 'not absolute'].map((x) => { try { return new URLPattern(x).pathname } catch (e) { return e.name } })`,
    ['TypeError', 'TypeError', 'TypeError', 'TypeError'],
  ],
  [
    'a replaced URL changes nothing',
    `(globalThis.URL = null, new URLPattern('https://h/:a').exec('https://h/b').pathname.groups.a)`,
    'b',
  ],
])('%s', async (_, code, expected) => {
  expect(await run(`return ${code}`)).toEqual(expected);
});
