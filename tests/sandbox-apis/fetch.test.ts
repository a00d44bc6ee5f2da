import { afterAll, describe, expect, test } from 'bun:test';
import { brotliCompressSync, deflateSync, gzipSync, zstdCompressSync } from 'node:zlib';
import { createFetchBroker } from '../../sandbox-apis/fetch/broker.ts';
import { testCaller } from '../kit/caller.ts';
import { codeOf, fetchRoom, httpAnswer, rawServer } from '../kit/fetch-room.ts';

interface Echo {
  method: string;
  path: string;
  headers: Record<string, string>;
  body: string;
}

const echo = Bun.serve({
  port: 0,
  hostname: '127.0.0.1',
  async fetch(request) {
    const { pathname, search } = new URL(request.url);
    const body = await request.text();
    return Response.json({
      method: request.method,
      path: pathname + search,
      headers: Object.fromEntries(request.headers),
      body,
    } satisfies Echo);
  },
});
afterAll(() => echo.stop(true));

const grant = (port: number | undefined) => [`network:127.0.0.1:${port}`];
const url = `http://127.0.0.1:${echo.port}`;

async function echoed(input: Parameters<ReturnType<typeof fetchRoom>['request']>[0]): Promise<Echo> {
  const room = fetchRoom(grant(echo.port));
  return JSON.parse(await room.text(await room.request(input)));
}

describe('requests', () => {
  test('method, path, query and headers arrive; the guest cannot frame the message', async () => {
    const got = await echoed({
      url: `${url}/a%20b?q=1#hash`,
      method: 'patch',
      headers: [
        ['X-One', '1'],
        ['Content-Type', 'text/x'],
      ],
      body: { text: 'grüße' },
    });
    expect(got).toMatchObject({ method: 'PATCH', path: '/a%20b?q=1', body: 'grüße' });
    expect(got.headers).toMatchObject({
      'x-one': '1',
      'content-type': 'text/x',
      'content-length': '7',
      accept: '*/*',
      'accept-encoding': 'gzip, br',
      'user-agent': 'StreamSpace (test-plugin/1.0.0)',
      host: `127.0.0.1:${echo.port}`,
    });
  });

  test('bytes, empty bodies and no body', async () => {
    const all = String.fromCharCode(...Array.from({ length: 256 }, (_, i) => i));
    await using server = await rawServer((socket, data) => {
      if (data.endsWith('\xff') || data.endsWith('\r\n\r\n')) socket.write(httpAnswer('200 OK'));
    });
    const room = fetchRoom(grant(server.port));
    await room.request({ url: server.url, method: 'POST', body: { latin1: all } });
    await room.request({ url: server.url, method: 'POST', body: { text: '' } });
    await room.request({ url: server.url, method: 'POST' });
    await room.request({ url: server.url, method: 'PROPFIND' });
    await room.request({ url: server.url, method: 'DELETE' });
    const [first, ...rest] = server.received().split(/(?=POST|PROPFIND|DELETE)/);
    expect(first?.endsWith(`\r\n\r\n${all}`)).toBe(true);
    expect(first).toContain('\r\nContent-Length: 256\r\n');
    expect(rest.map((head) => /Content-Length: \d+|Transfer-Encoding/.exec(head)?.[0])).toEqual([
      'Content-Length: 0',
      'Content-Length: 0',
      'Content-Length: 0',
      undefined,
    ]);
  });

  test('the guest may set what a server-side fetch may', async () => {
    const headers: [string, string][] = [
      ['User-Agent', 'mine'],
      ['accept', 'text/html'],
      ['Accept-Encoding', 'identity'],
      ['Cookie', 'a=1'],
      ['Origin', 'https://x.example'],
      ['Referer', 'https://x.example/'],
    ];
    const got = await echoed({ url, headers });
    for (const [name, value] of headers) expect(got.headers[name.toLowerCase()]).toBe(value);
  });

  test('a GET has no body', async () => {
    const room = fetchRoom(grant(echo.port));
    expect(await codeOf(room.request({ url, body: { text: 'x' } }))).toBe('invalid_input');
  });

  test('a streamed body of known length has a Content-Length, an unknown one is chunked', async () => {
    const room = fetchRoom(grant(echo.port));
    const body = () => new Blob(['hello ', 'world']).stream();
    const known = await room.request({ url, method: 'POST', body: { stream: room.offer(body()), length: 11 } });
    expect(JSON.parse(await room.text(known))).toMatchObject({
      body: 'hello world',
      headers: { 'content-length': '11' },
    });
    const unknown: Echo = JSON.parse(
      await room.text(await room.request({ url, method: 'POST', body: { stream: room.offer(body()) } })),
    );
    expect(unknown).toMatchObject({ body: 'hello world', headers: { 'transfer-encoding': 'chunked' } });
    expect(unknown.headers['content-length']).toBeUndefined();
  });

  test('an upload goes no faster than the server reads, and stops when it is aborted', async () => {
    await using server = await rawServer((socket) => socket.pause());
    const room = fetchRoom(grant(server.port));
    let written = 0;
    const stuck = Promise.withResolvers<void>();
    const cancelled = Promise.withResolvers<void>();
    let quiet = setTimeout(stuck.resolve, 5_000);
    const body = new ReadableStream<Uint8Array>(
      {
        pull(controller) {
          written += 65_536;
          clearTimeout(quiet);
          // The source is pulled until the buffers between here and the server are full.
          quiet = setTimeout(stuck.resolve, 200);
          controller.enqueue(new Uint8Array(65_536));
        },
        cancel: () => cancelled.resolve(),
      },
      { highWaterMark: 0 },
    );
    const answer = codeOf(room.request({ url: server.url, method: 'POST', body: { stream: room.offer(body) } }));
    await stuck.promise;
    expect(written).toBeLessThan(32 * 1024 * 1024);
    room.abort();
    expect(await answer).toBe('aborted');
    await cancelled.promise;
  });

  test('an answer may come before the upload has ended', async () => {
    await using server = await rawServer((socket) => socket.write(httpAnswer('413 Too Large', [], 'enough')));
    const room = fetchRoom(grant(server.port));
    const cancelled = Promise.withResolvers<void>();
    const body = new ReadableStream<Uint8Array>({
      start: (controller) => controller.enqueue(new Uint8Array(10)),
      cancel: () => cancelled.resolve(),
    });
    const answer = await room.request({ url: server.url, method: 'POST', body: { stream: room.offer(body) } });
    expect([answer.status, await room.text(answer)]).toEqual([413, 'enough']);
    await cancelled.promise;
  });

  test('a stream that fails fails the request', async () => {
    const room = fetchRoom(grant(echo.port));
    const body = new ReadableStream<Uint8Array>({ pull: () => Promise.reject(new Error('source broke')) });
    const answer = room.request({ url, method: 'POST', body: { stream: room.offer(body) } });
    expect(await codeOf(answer)).toBe('network_failed');
  });

  test('connections are kept and used again', async () => {
    await using server = await rawServer((socket) => socket.write(httpAnswer('200 OK', [], 'ok')));
    const room = fetchRoom(grant(server.port));
    for (let i = 0; i < 3; i += 1) await room.text(await room.request({ url: server.url }));
    expect(server.connections).toBe(1);
  });

  test('but not by another plugin', async () => {
    await using server = await rawServer((socket) => socket.write(httpAnswer('200 OK', [], 'ok')));
    const handlers = createFetchBroker({ log: { debug: () => undefined, warn: () => undefined } });
    const input = { method: 'GET', url: server.url, headers: [], redirect: 'follow', body: null } as const;
    for (const plugin of ['one', 'two', 'one']) {
      const { caller } = testCaller({ plugin, grants: grant(server.port) });
      expect((await handlers.request(caller, { ...input, headers: [] })).status).toBe(200);
    }
    expect(server.connections).toBe(2);
    expect(server.received(0)).not.toContain('two');
  });

  test('a kept connection that the server has closed costs a GET nothing', async () => {
    await using server = await rawServer((socket, _data, n) => {
      if (n === 0 && server.received(0).split('GET ').length > 2) socket.destroy();
      else socket.write(httpAnswer('200 OK', [], 'ok'));
    });
    const room = fetchRoom(grant(server.port));
    await room.text(await room.request({ url: server.url }));
    expect(await room.text(await room.request({ url: server.url }))).toBe('ok');
    expect(server.connections).toBe(2);
  });
});

describe('answers', () => {
  test('status, headers and url; what belongs to the connection is left out', async () => {
    await using server = await rawServer((socket) =>
      socket.write(
        httpAnswer(
          '418 I am a\tteapot',
          ['Set-Cookie: a=1', 'Set-Cookie: b=2', 'X-L: \xe9', 'Keep-Alive: timeout=5'],
          '!',
        ),
      ),
    );
    const room = fetchRoom(grant(server.port));
    const answer = await room.request({ url: `${server.url}/x#y` });
    expect(answer).toEqual({
      status: 418,
      statusText: 'I am a\tteapot',
      url: `${server.url}/x`,
      redirected: false,
      headers: [
        ['set-cookie', 'a=1'],
        ['set-cookie', 'b=2'],
        ['x-l', '\u00c3\u00a9'],
        ['content-length', '1'],
      ],
      body: { text: '!' },
    });
  });

  test('small bodies of known length are answered inline, as text or as bytes', async () => {
    const bodies: Record<string, BodyInit> = { '/text': 'grüße', '/bytes': new Uint8Array([0, 255, 10]), '/none': '' };
    await using server = Bun.serve({
      port: 0,
      hostname: '127.0.0.1',
      fetch: (request) => new Response(bodies[new URL(request.url).pathname]),
    });
    const room = fetchRoom(grant(server.port));
    const at = (path: string) => room.request({ url: `http://127.0.0.1:${server.port}${path}` });
    expect((await at('/text')).body).toEqual({ text: 'grüße' });
    expect((await at('/bytes')).body).toEqual({ latin1: '\x00\xff\n' });
    expect((await at('/none')).body).toEqual({ text: '' });
  });

  test('HEAD and 204 have no body', async () => {
    await using server = await rawServer((socket, data) =>
      socket.write(
        data.startsWith('HEAD') ? 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n' : 'HTTP/1.1 204 No\r\n\r\n',
      ),
    );
    const room = fetchRoom(grant(server.port), { limits: { inFlight: 1 } });
    expect((await room.request({ url: server.url, method: 'HEAD' })).body).toBeNull();
    expect((await room.request({ url: server.url })).body).toBeNull();
  });

  test.each([
    ['gzip', gzipSync],
    ['br', brotliCompressSync],
    ['deflate', deflateSync],
    ['zstd', zstdCompressSync],
  ] as const)('%s is decoded, small and large', async (coding, compress) => {
    const small = 'small '.repeat(10);
    const large = 'large '.repeat(50_000);
    await using server = Bun.serve({
      port: 0,
      hostname: '127.0.0.1',
      fetch: (request) =>
        new Response(compress(Buffer.from(request.url.endsWith('/large') ? large : small)), {
          headers: { 'content-encoding': coding },
        }),
    });
    const room = fetchRoom(grant(server.port));
    const at = (path: string) => room.request({ url: `http://127.0.0.1:${server.port}${path}` });
    const first = await at('/small');
    expect(first.body).toEqual({ text: small });
    expect(first.headers.map(([name]) => name)).not.toContain('content-encoding');
    expect(first.headers.map(([name]) => name)).not.toContain('content-length');
    const second = await at('/large');
    expect(second.body).toEqual({ stream: expect.any(Number) });
    expect(await room.text(second)).toBe(large);
  });

  test('an unknown coding is passed on as it is', async () => {
    await using server = await rawServer((s) => s.write(httpAnswer('200 OK', ['Content-Encoding: rot13'], 'uryyb')));
    const room = fetchRoom(grant(server.port));
    const answer = await room.request({ url: server.url });
    expect(answer.headers).toContainEqual(['content-encoding', 'rot13']);
    expect(answer.body).toEqual({ text: 'uryyb' });
  });

  test('a streamed body is read no faster than the guest reads, and cancelling closes the connection', async () => {
    const size = 256 * 1024 * 1024;
    let written = 0;
    const stuck = Promise.withResolvers<void>();
    const closed = Promise.withResolvers<void>();
    await using server = await rawServer((socket) => {
      socket.once('close', () => closed.resolve());
      socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${size}\r\n\r\n`);
      const chunk = Buffer.alloc(65_536);
      let quiet = setTimeout(stuck.resolve, 5_000);
      const more = () => {
        clearTimeout(quiet);
        quiet = setTimeout(stuck.resolve, 200);
        while (written < size) {
          written += chunk.length;
          if (!socket.write(chunk)) return;
        }
      };
      socket.on('drain', more);
      more();
    });
    const room = fetchRoom(grant(server.port));
    const answer = await room.request({ url: server.url });
    if (answer.body === null || !('stream' in answer.body)) throw new Error('not streamed');
    const reader = room.take(answer.body.stream).getReader();
    expect((await reader.read()).value?.byteLength).toBeGreaterThan(0);
    await stuck.promise;
    expect(written).toBeLessThan(32 * 1024 * 1024);
    await reader.cancel();
    await closed.promise;
  });

  test('server-sent events pass through one by one', async () => {
    const events = Promise.withResolvers<ReadableStreamDefaultController<Uint8Array>>();
    await using server = Bun.serve({
      port: 0,
      hostname: '127.0.0.1',
      fetch: () =>
        new Response(new ReadableStream<Uint8Array>({ start: (controller) => events.resolve(controller) }), {
          headers: { 'content-type': 'text/event-stream' },
        }),
    });
    const room = fetchRoom(grant(server.port));
    const pending = room.request({ url: `http://127.0.0.1:${server.port}` });
    const source = await events.promise;
    source.enqueue(Buffer.from('data: 1\n\n'));
    const answer = await pending;
    if (answer.body === null || !('stream' in answer.body)) throw new Error('not streamed');
    const reader = room.take(answer.body.stream).getReader();
    const next = async () => new TextDecoder().decode((await reader.read()).value);
    expect(await next()).toBe('data: 1\n\n');
    source.enqueue(Buffer.from('data: 2\n\n'));
    expect(await next()).toBe('data: 2\n\n');
    source.close();
    expect((await reader.read()).done).toBe(true);
  });

  test('an answer that is cut short errors its body', async () => {
    await using server = await rawServer((socket) =>
      socket.end('HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\nshort'),
    );
    const room = fetchRoom(grant(server.port));
    const answer = await room.request({ url: server.url });
    expect(await codeOf(room.bytes(answer))).toBe('network_failed');
  });

  test.each([
    ['no HTTP', 'hello\r\n\r\n'],
    ['two lengths', 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok'],
    ['length and chunks', 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'],
    ['a changed protocol', 'HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n'],
    ['a status that is none', 'HTTP/1.1 999 What\r\nContent-Length: 0\r\n\r\n'],
    ['a truncated gzip', 'HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\n\x1f\x8b\x08\x00'],
    ['no gzip', 'HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n\r\nhello'],
  ])('%s fails', async (_what, answer) => {
    await using server = await rawServer((socket) => socket.end(Buffer.from(answer, 'latin1')));
    const room = fetchRoom(grant(server.port));
    expect(await codeOf(room.request({ url: server.url }))).toBe('network_failed');
  });

  test('nobody listens', async () => {
    const server = await rawServer(() => undefined);
    await server[Symbol.asyncDispose]();
    const room = fetchRoom(grant(server.port));
    const failed = room.request({ url: server.url });
    await expect(failed).rejects.toThrow(`http://127.0.0.1:${server.port}: no connection (ECONNREFUSED)`);
    expect(await codeOf(failed)).toBe('network_failed');
  });
});

describe('names', () => {
  test('the next address is tried when one does not take the connection, with the body still whole', async () => {
    const lookup = async () => [
      { address: '::1', family: 6 },
      { address: '127.0.0.1', family: 4 },
    ];
    const room = fetchRoom([`network:service.internal:${echo.port}`], { lookup });
    const body = { stream: room.offer(new Blob(['whole']).stream()) };
    const answer = await room.request({ url: `http://service.internal:${echo.port}/`, method: 'PUT', body });
    expect(JSON.parse(await room.text(answer))).toMatchObject({
      body: 'whole',
      headers: { host: `service.internal:${echo.port}` },
    });
  });

  test('localhost by the real resolver', async () => {
    const room = fetchRoom([`network:localhost:${echo.port}`]);
    expect((await room.request({ url: `http://localhost:${echo.port}/` })).status).toBe(200);
  });

  test('a name that is not known, or has no address', async () => {
    const unknown = fetchRoom(['network'], {
      lookup: () => Promise.reject(Object.assign(new Error('x'), { code: 'ENOTFOUND', syscall: 'getaddrinfo' })),
    });
    await expect(unknown.request({ url: 'http://nope.example/' })).rejects.toThrow('the name is not known (ENOTFOUND)');
    const empty = fetchRoom(['network'], { lookup: async () => [] });
    expect(await codeOf(empty.request({ url: 'http://nope.example/' }))).toBe('network_failed');
  });
});

describe('limits', () => {
  test('body bytes are metered both ways', async () => {
    const seen = { out: 0, in: 0, plugins: new Set<string>() };
    const meter = (plugin: string, out: number, received: number) => {
      seen.out += out;
      seen.in += received;
      seen.plugins.add(plugin);
    };
    await using server = await rawServer((socket) => socket.write(httpAnswer('200 OK', [], 'four')));
    const room = fetchRoom(grant(server.port), { meter });
    await room.request({ url: server.url, method: 'POST', body: { text: 'sixsix' } });
    expect(seen).toEqual({ out: 6, in: 4, plugins: new Set(['test-plugin']) });
  });

  test('only so many at once; a body that is read or cancelled frees its place', async () => {
    await using server = await rawServer((socket) => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\nx'));
    const room = fetchRoom(grant(server.port), { limits: { inFlight: 2 } });
    const first = await room.request({ url: server.url });
    await room.request({ url: server.url });
    expect(await codeOf(room.request({ url: server.url }))).toBe('quota_exceeded');
    if (first.body === null || !('stream' in first.body)) throw new Error('not streamed');
    await room.take(first.body.stream).cancel();
    expect((await room.request({ url: server.url })).status).toBe(200);
  });

  test('a refused call writes nothing: its stream is cancelled', async () => {
    await using server = await rawServer(() => undefined);
    const room = fetchRoom(grant(server.port), { limits: { inFlight: 0 } });
    const cancelled = Promise.withResolvers<void>();
    const body = { stream: room.offer(new ReadableStream({ cancel: () => cancelled.resolve() })) };
    expect(await codeOf(room.request({ url: server.url, method: 'POST', body }))).toBe('quota_exceeded');
    await cancelled.promise;
  });

  test('more than a request may send', async () => {
    const room = fetchRoom(grant(echo.port), { limits: { requestBytes: 1_000 } });
    const body = { stream: room.offer(new Blob(['x'.repeat(1_001)]).stream()) };
    expect(await codeOf(room.request({ url, method: 'POST', body }))).toBe('quota_exceeded');
    expect(await codeOf(room.request({ url, method: 'POST', body: { text: 'x'.repeat(1_001) } }))).toBe(
      'quota_exceeded',
    );
  });

  test('aborting while the connection is made', async () => {
    const hello = Promise.withResolvers<void>();
    const closed = Promise.withResolvers<void>();
    await using server = await rawServer((socket) => {
      socket.once('close', () => closed.resolve());
      hello.resolve();
    });
    const room = fetchRoom(grant(server.port));
    const answer = codeOf(room.request({ url: server.url.replace('http:', 'https:') }));
    await hello.promise;
    room.abort();
    expect(await answer).toBe('aborted');
    await closed.promise;
    expect(await codeOf(room.request({ url: server.url }))).toBe('aborted');
  });

  test('aborting before the headers, and the slot is free again', async () => {
    const asked = Promise.withResolvers<void>();
    const closed = Promise.withResolvers<void>();
    await using server = await rawServer((socket) => {
      socket.once('close', () => closed.resolve());
      asked.resolve();
    });
    const room = fetchRoom(grant(server.port));
    const answer = codeOf(room.request({ url: server.url }));
    await asked.promise;
    room.abort();
    expect(await answer).toBe('aborted');
    await closed.promise;
  });
});
