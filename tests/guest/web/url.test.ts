import { afterAll, expect, test } from 'bun:test';
import { startIsolates } from '../../kit/isolates.ts';

const isolates = await startIsolates();
afterAll(() => isolates.close());
const { run } = isolates;

test.each<[string, string, unknown]>([
  [
    'parts',
    `(u => [u.origin, u.host, u.port, u.pathname, u.search, u.hash, u.username])(new URL('https://u@Example.com:444/a/../b?c=d#e'))`,
    ['https://example.com:444', 'example.com:444', '444', '/b', '?c=d', '#e', 'u'],
  ],
  ['relative to a base', `new URL('../x?y', 'http://h/a/b/c').href`, 'http://h/a/x?y'],
  [
    'setters',
    `(u => { u.port = '443'; u.pathname = 'a b'; u.searchParams.append('é', '&'); return u.href })(new URL('https://h/'))`,
    'https://h/a%20b?%C3%A9=%26',
  ],
  [
    'addresses in other notations',
    `['http://0x7f.1/', 'http://017700000001/', 'http://2130706433/', 'http://[::ffff:1.2.3.4]/'].map(u => new URL(u).hostname)`,
    ['127.0.0.1', '127.0.0.1', '127.0.0.1', '[::ffff:102:304]'],
  ],
  [
    'hosts that are not ASCII',
    `['https://bücher.example/', 'https://faß.de/', 'https://☃.net/', 'https://ＧＯ.com/', 'https://日本語。jp/'].map(u => new URL(u).hostname)`,
    ['xn--bcher-kva.example', 'xn--fa-hia.de', 'xn--n3h.net', 'go.com', 'xn--wgv71a119e.jp'],
  ],
  [
    'hosts that are not allowed',
    `['https://a b/', 'https://xn--\\u00ad/', 'http://a<b', 'https://א1a.com/'].map(u => URL.canParse(u))`,
    [false, false, false, false],
  ],
  [
    'canParse and parse',
    `[URL.canParse('x'), URL.canParse('x', 'http://h'), URL.parse('x'), URL.parse('http://h')?.href]`,
    [false, true, null, 'http://h/'],
  ],
  ['invalid', `(() => { try { new URL('x') } catch (e) { return e.name } })()`, 'TypeError'],
  [
    'parameters',
    `(p => { p.append('a', '3'); p.sort(); return [p.toString(), p.getAll('a'), p.has('a', '3'), p.size, [...p.keys()]] })(new URLSearchParams('?b=2&a=1+x'))`,
    ['a=1+x&a=3&b=2', ['1 x', '3'], true, 3, ['a', 'a', 'b']],
  ],
  [
    'parameters of records and pairs',
    `[new URLSearchParams({ a: 'é' }).toString(), new URLSearchParams([['a', 'b']]).get('a')]`,
    ['a=%C3%A9', 'b'],
  ],
  ['broken percent encoding', `[...new URLSearchParams('a=%ff&b=%').values()]`, ['\ufffd', '%']],
  [
    'names',
    `[URL.name, URLSearchParams.name, String(new URL('http://h')), Object.prototype.toString.call(new URL('http://h'))]`,
    ['URL', 'URLSearchParams', 'http://h/', '[object URL]'],
  ],
  ['JSON', `JSON.stringify({ u: new URL('http://h') })`, '{"u":"http://h/"}'],
])('%s', async (_, code, expected) => {
  expect(await run(`return ${code}`)).toEqual(expected);
});
