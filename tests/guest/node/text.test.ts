import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { join } from 'node:path';
import { inNode } from '../../kit/in-node.ts';
import { type Isolates, startIsolates } from '../../kit/isolates.ts';

let isolates: Isolates;
beforeAll(async () => {
  isolates = await startIsolates(join(import.meta.dir, '../../kit/node-entry.ts'));
});
afterAll(() => isolates.close());

describe('node:path, url, querystring, punycode, as in Node', () => {
  test.each([
    [
      'path',
      `const path = __require('node:path');
return [
  path.join('/a', '..', 'b', './c.txt'), path.resolve('x', '../y'), path.relative('/a/b/c', '/a/d'), path.parse('/home/u/f.tar.gz'), path.posix === path,
  __require('node:path/posix') === path, path.extname('.x'), path.basename('/a/b.html', '.html'), path.format({ dir: '/x', base: 'y' }),
  path.normalize('/a//b/../c/.'), path.isAbsolute('a'), path.sep, path.delimiter, path.toNamespacedPath('/a'),
];`,
    ],
    [
      'querystring',
      `const querystring = __require('node:querystring');
return [
  querystring.parse('a=1&b=2&a=3&c=%20x+y&d&=e&%zz=1'), querystring.parse('a:1;b:2', ';', ':'), querystring.stringify({ a: [1, 2], b: 'ü &', c: true, d: '', e: null, f: 1n }),
  querystring.escape('ä/'), querystring.unescape('%zz%20'), querystring.parse('__proto__=1&a=1').a, Object.getPrototypeOf(querystring.parse('')),
];`,
    ],
    [
      'url',
      `const url = __require('node:url');
const plain = (value) => Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
return [
  plain(url.parse('https://u:p@Example.com:8080/p/a?x=1&y=2#h', true)), plain(url.parse('//host/path', false, true)), plain(url.parse('mailto:a@b.c')),
  url.resolve('http://a.com/b/c', '../d'), url.resolve('/one/two', 'three'), url.format({ protocol: 'http', host: 'x.y', pathname: '/z', query: { q: 1 } }),
  url.URL === URL, url.URLSearchParams === URLSearchParams, url.fileURLToPath('file:///a%20b'), url.pathToFileURL('/a b#c?d').href,
  url.domainToASCII('español.com'), url.domainToUnicode('xn--espaol-zwa.com'), plain(url.urlToHttpOptions(new URL('http://a:b@c.d:81/e?f'))),
  url.format(new URL('http://u:p@h.com/a?b#c'), { auth: false, fragment: false, search: false }),
];`,
    ],
    [
      'punycode',
      `const punycode = __require('node:punycode');
return [punycode.toASCII('mañana.com'), punycode.toUnicode('xn--maana-pta.com'), punycode.encode('ü'), punycode.decode('maana-pta'), punycode.ucs2.decode('\\ud83d\\ude00')];`,
    ],
  ])('%s', async (_what, code) => {
    expect(await isolates.run(code)).toEqual(await inNode(code));
  });
});
