import { describe, expect, test } from 'bun:test';
import type { FetchInput } from '../kit/fetch-room.ts';
import { codeOf, fetchRoom, httpAnswer, rawServer } from '../kit/fetch-room.ts';

describe('ADVERSARY 50: only http and https', () => {
  test.each([
    'file:///etc/passwd',
    'file://127.0.0.1/etc/passwd',
    'FILE:/etc/passwd',
    'data:text/plain,hi',
    'blob:http://127.0.0.1/1',
    's3://bucket/key',
    'ftp://127.0.0.1/',
    'ws://127.0.0.1/',
    'unix:/run/docker.sock',
    'http+unix://%2Frun%2Fdocker.sock/',
    'javascript:alert(1)',
    '/etc/passwd',
    '//127.0.0.1/',
  ])('%s', async (url) => {
    expect(await codeOf(fetchRoom(['network', 'network:127.0.0.1']).request({ url }))).toBe('invalid_input');
  });
});

describe('ADVERSARY 51: options that are not in the schema', () => {
  test.each<Record<string, unknown>>([
    { unix: '/run/docker.sock' },
    { proxy: 'http://127.0.0.1:9' },
    { tls: { rejectUnauthorized: false } },
    { verbose: true },
    { agent: {} },
    { decompress: false },
    { constructor: {} },
  ])('%p is refused', async (extra) => {
    const room = fetchRoom(['network:127.0.0.1']);
    const input = { url: 'http://127.0.0.1/', ...extra };
    expect(await codeOf(room.request(input))).toBe('invalid_input');
  });

  test.each<Partial<Record<keyof FetchInput, unknown>>>([
    { redirect: 'wherever' },
    { body: 'text' },
    { body: { text: 'a', latin1: 'b' } },
    { body: { stream: -1 } },
    { body: { stream: 1.5 } },
    { body: { latin1: '\u0100' } },
    { body: { text: 'x'.repeat(200_000) } },
    { headers: { host: 'x' } },
    { headers: [['a']] },
    { headers: Array.from({ length: 129 }, () => ['a', 'b']) },
    { method: '' },
    { method: 'GET /x HTTP/1.1\r\nHost: evil\r\n\r\n' },
    { url: `http://127.0.0.1/${'a'.repeat(20_000)}` },
  ])('a value of the wrong form is refused: %#', async (wrong) => {
    const input = { url: 'http://127.0.0.1/', ...wrong } as FetchInput;
    expect(await codeOf(fetchRoom(['network:127.0.0.1']).request(input))).toBe('invalid_input');
  });
});

describe('ADVERSARY 53, 54: headers', () => {
  test("what frames the message or names the host is the core's", async () => {
    await using server = await rawServer((socket) => socket.write(httpAnswer('200 OK')));
    const room = fetchRoom([`network:127.0.0.1:${server.port}`]);
    const headers = [
      'Host',
      'host',
      'Connection',
      'Keep-Alive',
      'Content-Length',
      'Transfer-Encoding',
      'TE',
      'Trailer',
      'Upgrade',
      'Expect',
      'HTTP2-Settings',
      'Proxy-Authorization',
      'Proxy-Connection',
      'proxy-anything',
    ].map((name): [string, string] => [name, 'evil']);
    await room.request({
      url: server.url,
      method: 'POST',
      headers: [...headers, ['X-Good', '1']],
      body: { text: 'ab' },
    });
    expect(server.received()).not.toContain('evil');
    expect(server.received()).toContain('X-Good: 1\r\n');
    expect(server.received().match(/^Host: .*$/gim)).toEqual([`Host: 127.0.0.1:${server.port}`]);
    expect(server.received().match(/^Content-Length: .*$/gim)).toEqual(['Content-Length: 2']);
    expect(server.received()).not.toMatch(/^Transfer-Encoding/im);
  });

  test.each([
    ['X', 'a\r\nEvil: 1'],
    ['X', 'a\nEvil: 1'],
    ['X', 'a\rb'],
    ['X', 'a\0b'],
    ['X', 'a\u010ab'],
    ['X', 'a\u560ab'],
    ['X', '\x7f'],
    ['X\r\nEvil', '1'],
    ['X: 1\r\nEvil', '1'],
    ['X ', '1'],
    [':authority', '1'],
    ['', '1'],
    ['Ｘ', '1'],
    // Also where the header would be dropped anyway
    ['Host', 'a\r\nEvil: 1'],
  ] as const)('%p: %p is refused', async (name, value) => {
    await using server = await rawServer(() => undefined);
    const room = fetchRoom([`network:127.0.0.1:${server.port}`]);
    expect(await codeOf(room.request({ url: server.url, headers: [[name, value]] }))).toBe('invalid_input');
    expect(server.connections).toBe(0);
  });

  test('a path cannot end the request line', async () => {
    await using server = await rawServer((socket) => socket.write(httpAnswer('200 OK')));
    const room = fetchRoom([`network:127.0.0.1:${server.port}`]);
    await room.request({ url: `${server.url}/a b\r\nEvil: 1?c\nd#e` });
    expect(server.received().split('\r\n')[0]).toBe('GET /a%20bEvil:%201?cd HTTP/1.1');
  });

  test('a declared length is kept to the byte, so nothing is smuggled behind it', async () => {
    await using server = await rawServer(() => undefined);
    const room = fetchRoom([`network:127.0.0.1:${server.port}`]);
    const post = (text: string, length: number) => {
      const body = { stream: room.offer(new Blob([text]).stream()), length };
      return codeOf(room.request({ url: server.url, method: 'POST', body }));
    };
    expect(await post('abGET /evil HTTP/1.1\r\n\r\n', 2)).toBe('invalid_input');
    expect(await post('ab', 20)).toBe('invalid_input');
    for (let i = 0; i < server.connections; i += 1) expect(server.received(i)).not.toContain('evil');
  });
});

describe('ADVERSARY 55: methods', () => {
  test.each(['CONNECT', 'connect', 'TRACE', 'Track', 'TRACK'])('%s is refused', async (method) => {
    await using server = await rawServer(() => undefined);
    const room = fetchRoom([`network:127.0.0.1:${server.port}`]);
    expect(await codeOf(room.request({ url: server.url, method }))).toBe('invalid_input');
    expect(server.connections).toBe(0);
  });
});

describe('ADVERSARY 57: hosts that look like a granted one', () => {
  test.each([
    'http://good.com.evil.org/',
    'http://evilgood.com/',
    'http://good.com-evil.org/',
    'http://good.comevil.org/',
    'http://good.com%2eevil.org/',
    'http://good.com。evil.org/',
    'http://evil.org/good.com',
    'http://evil.org?good.com',
    'http://evil.org#good.com',
    'http://evil.org\\good.com/',
    'http://www.good.com/',
    'http://good.com:8080/',
  ])('%s is denied', async (url) => {
    expect(await codeOf(fetchRoom(['network:good.com']).request({ url }))).toBe('permission_denied');
  });

  test.each([
    'http://good.com@evil.org/',
    'http://good.com:80@evil.org/',
    'http://good.com%40evil.org@evil.org/',
    'http://@evil.org:x/',
    'http://good.com%00.evil.org/',
    'http://good.com%20.evil.org/',
  ])('%s is no URL to fetch', async (url) => {
    expect(await codeOf(fetchRoom(['network:good.com', 'network']).request({ url }))).toBe('invalid_input');
  });
});
