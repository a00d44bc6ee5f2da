import { describe, expect, test } from 'bun:test';
import { brotliCompressSync, constants, gzipSync, zstdCompressSync } from 'node:zlib';
import { codeOf, fetchRoom, httpAnswer, rawServer } from '../kit/fetch-room.ts';

// ADVERSARY 56: what a server sends cannot fill the core's memory nor hold its slots for ever.
const MIB = 1024 * 1024;
const grant = (port: number | undefined) => [`network:127.0.0.1:${port}`];

describe('size', () => {
  test.each([
    ['gzip', gzipSync],
    ['br', (bytes: Buffer) => brotliCompressSync(bytes, { params: { [constants.BROTLI_PARAM_QUALITY]: 1 } })],
    ['zstd', zstdCompressSync],
  ] as const)('a %s bomb is cut at the cap while it is read', async (coding, compress) => {
    const bomb = compress(Buffer.alloc(16 * MIB));
    await using server = Bun.serve({
      port: 0,
      hostname: '127.0.0.1',
      fetch: () => new Response(bomb, { headers: { 'content-encoding': coding } }),
    });
    const room = fetchRoom(grant(server.port), { limits: { responseBytes: MIB, inFlight: 1 } });
    const answer = await room.request({ url: `http://127.0.0.1:${server.port}/` });
    if (answer.body === null || !('stream' in answer.body)) throw new Error('not streamed');
    const reader = room.take(answer.body.stream).getReader();
    let read = 0;
    const readAll = async () => {
      for (let next = await reader.read(); !next.done; next = await reader.read()) read += next.value.byteLength;
    };
    expect(await codeOf(readAll())).toBe('network_failed');
    expect(read).toBeLessThanOrEqual(MIB);
    // Its slot is free again
    expect((await room.request({ url: `http://127.0.0.1:${server.port}/` })).status).toBe(200);
  });

  test('members of nothing, without end, are cut by the bytes received', async () => {
    const nothing = gzipSync('');
    const many = Buffer.concat(Array.from({ length: 100_000 }, () => nothing));
    await using server = Bun.serve({
      port: 0,
      hostname: '127.0.0.1',
      fetch: () => new Response(many, { headers: { 'content-encoding': 'gzip' } }),
    });
    const room = fetchRoom(grant(server.port), { limits: { responseBytes: MIB } });
    const answer = await room.request({ url: `http://127.0.0.1:${server.port}/` });
    expect(await codeOf(room.bytes(answer))).toBe('network_failed');
  });

  test('codings on top of each other are not decoded', async () => {
    await using server = await rawServer((s) => s.write(httpAnswer('200 OK', ['Content-Encoding: gzip, gzip'], 'x')));
    expect(await codeOf(fetchRoom(grant(server.port)).request({ url: server.url }))).toBe('network_failed');
  });

  test('a body without end is cut', async () => {
    await using server = await rawServer((socket) => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n');
      const more = () => void (socket.destroyed || !socket.write(Buffer.alloc(65_536)) || setImmediate(more));
      socket.on('drain', more);
      more();
    });
    const room = fetchRoom(grant(server.port), { limits: { responseBytes: MIB } });
    expect(await codeOf(room.bytes(await room.request({ url: server.url })))).toBe('network_failed');
  });

  test.each([
    ['many', Array.from({ length: 1_000 }, (_, i) => `X-${i}: 1`)],
    ['large', [`X: ${'a'.repeat(100_000)}`]],
  ])('%s headers are refused', async (_what, headers) => {
    await using server = await rawServer((socket) => socket.write(httpAnswer('200 OK', headers)));
    expect(await codeOf(fetchRoom(grant(server.port)).request({ url: server.url }))).toBe('network_failed');
  });
});

describe("time, by the core's clock", () => {
  test('no headers', async () => {
    await using server = await rawServer(() => undefined);
    const room = fetchRoom(grant(server.port), { limits: { headersMs: 50 } });
    await expect(room.request({ url: server.url })).rejects.toThrow('no response headers in time');
    expect(await codeOf(room.request({ url: server.url }))).toBe('network_failed');
  });

  test('headers that drip, or interim answers without end', async () => {
    await using server = await rawServer((socket, data) => {
      const drip = data.startsWith('GET /interim') ? 'HTTP/1.1 100 Continue\r\n\r\n' : 'X-A: 1\r\n';
      if (!data.startsWith('GET /interim')) socket.write('HTTP/1.1 200 OK\r\n');
      const timer = setInterval(() => socket.write(drip), 5);
      socket.once('close', () => clearInterval(timer));
    });
    const room = fetchRoom(grant(server.port), { limits: { headersMs: 60 } });
    expect(await codeOf(room.request({ url: `${server.url}/drip` }))).toBe('network_failed');
    expect(await codeOf(room.request({ url: `${server.url}/interim` }))).toBe('network_failed');
  });

  test('a compressed body that pauses', async () => {
    await using server = await rawServer((socket, data) => {
      const length = data.startsWith('GET /small') ? 1_000 : 1_000_000;
      socket.write(`HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: ${length}\r\n\r\n`);
      socket.write(gzipSync('x'.repeat(100)));
    });
    const room = fetchRoom(grant(server.port), { limits: { idleMs: 50 } });
    expect(await codeOf(room.request({ url: `${server.url}/small` }))).toBe('deadline_exceeded');
    expect(await codeOf(room.bytes(await room.request({ url: `${server.url}/large` })))).toBe('deadline_exceeded');
  });

  test('a body where there is none is not read', async () => {
    const closed = Promise.withResolvers<void>();
    await using server = await rawServer((socket) => {
      socket.once('close', () => closed.resolve());
      socket.write('HTTP/1.1 205 Reset\r\nContent-Length: 1000000\r\n\r\nx');
    });
    expect((await fetchRoom(grant(server.port)).request({ url: server.url })).body).toBeNull();
    await closed.promise;
  });

  test('a body that pauses, inline and streamed', async () => {
    const closed: string[] = [];
    const both = Promise.withResolvers<void>();
    await using server = await rawServer((socket, data) => {
      const length = data.startsWith('GET /small') ? 10 : 1_000_000;
      socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${length}\r\n\r\nx`);
      socket.once('close', () => {
        if (closed.push('closed') === 2) both.resolve();
      });
    });
    const room = fetchRoom(grant(server.port), { limits: { idleMs: 50 } });
    expect(await codeOf(room.request({ url: `${server.url}/small` }))).toBe('deadline_exceeded');
    expect(await codeOf(room.bytes(await room.request({ url: `${server.url}/large` })))).toBe('deadline_exceeded');
    await both.promise;
  });

  test('a body that drips for ever, read or not: its slot is free after the total deadline', async () => {
    const closed = Promise.withResolvers<void>();
    await using server = await rawServer((socket) => {
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n');
      const timer = setInterval(() => socket.write('x'), 5);
      socket.once('close', () => {
        clearInterval(timer);
        closed.resolve();
      });
    });
    const room = fetchRoom(grant(server.port), { limits: { totalMs: 600, idleMs: 5_000, inFlight: 1 } });
    expect(await codeOf(room.bytes(await room.request({ url: server.url })))).toBe('deadline_exceeded');
    // Nobody reads this one
    await room.request({ url: server.url });
    expect(await codeOf(room.request({ url: server.url }))).toBe('quota_exceeded');
    await closed.promise;
  });

  test('a name that is never resolved', async () => {
    const room = fetchRoom(['network'], { limits: { totalMs: 30 }, lookup: () => new Promise(() => undefined) });
    expect(await codeOf(room.request({ url: 'http://slow.example/' }))).toBe('deadline_exceeded');
  });

  test('a TLS handshake that never ends', async () => {
    await using server = await rawServer(() => undefined);
    const room = fetchRoom(grant(server.port), { limits: { connectMs: 50 } });
    expect(await codeOf(room.request({ url: server.url.replace('http:', 'https:') }))).toBe('network_failed');
  });
});
