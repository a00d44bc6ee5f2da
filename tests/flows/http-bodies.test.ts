import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { EventSourceParserStream } from 'eventsource-parser/stream';
import { install } from '../kit/plugin.ts';
import { rawRequest } from '../kit/raw-http.ts';
import { type RunningCore, startCore } from '../kit/start-core.ts';
import { until } from '../kit/until.ts';

// Bodies of plugin endpoints: whole and streamed, both ways, and what becomes of them when somebody goes away.

setDefaultTimeout(60_000);

let core: RunningCore;
let base: string;

beforeAll(async () => {
  core = await startCore();
  await install(core, 'web-server');
  base = `${core.url}/api/plugins/web-server`;
});
afterAll(async () => {
  await core?.stop();
});

const MEGABYTES = 3_000_000;
const PATTERN = Uint8Array.from({ length: MEGABYTES }, (_, i) => (i * 31) % 251);

/** FNV-1a, as the plugin counts it. */
function sumOf(bytes: Uint8Array): number {
  let sum = 0x811c9dc5;
  for (const byte of bytes) sum = Math.imul(sum ^ byte, 0x01000193) >>> 0;
  return sum;
}

/** A body without a length, in pieces of odd sizes. */
function pieces(bytes: Uint8Array): ReadableStream<Uint8Array> {
  let at = 0;
  return new ReadableStream({
    pull(controller) {
      const size = 1 + ((at * 7919) % 90_000);
      controller.enqueue(bytes.slice(at, at + size));
      at += size;
      if (at >= bytes.length) controller.close();
    },
  });
}

async function counts(): Promise<{ live: number; cancelled: number; aborted: number }> {
  return (await fetch(`${base}/counts`)).json() as Promise<{ live: number; cancelled: number; aborted: number }>;
}

describe('from the client to the plugin', () => {
  test.each([0, 1, 65_536, 1_048_576, 1_048_577, MEGABYTES])('%d bytes arrive as they were sent', async (length) => {
    const body = PATTERN.slice(0, length);
    const answer = await fetch(`${base}/digest`, { method: 'POST', body });
    expect(await answer.json()).toEqual({ length, sum: sumOf(body) });
  });

  test('so does a body of unknown length', async () => {
    const answer = await fetch(`${base}/digest`, { method: 'POST', body: pieces(PATTERN) });
    expect(await answer.json()).toEqual({ length: MEGABYTES, sum: sumOf(PATTERN) });
  });

  test.each(['"é"', '"\\u0000"', '"\ufeffmark"', '"𝄞"', '1e300', '[[],{}]'])(
    'JSON keeps what it says: %s',
    async (json) => {
      const answer = await fetch(`${base}/json`, { method: 'POST', body: `{"value":${json}}` });
      expect(await answer.json()).toEqual(JSON.parse(json));
    },
  );

  test('a body that is over the declared limit is refused before it is read', async () => {
    const head =
      'POST /api/plugins/web-server/digest HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 2000000000';
    expect(await rawRequest(core.url, `${head}\r\n\r\n`)).toMatch(/^HTTP\/1\.1 413 /);
  });

  test('conflicting lengths are refused', async () => {
    const head =
      'POST /api/plugins/web-server/digest HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 3';
    const body = '3\r\nabc\r\n0\r\n\r\n';
    expect(await rawRequest(core.url, `${head}\r\nTransfer-Encoding: chunked\r\n\r\n${body}`)).toMatch(
      /^HTTP\/1\.1 400 /,
    );
  });
});

describe('from the plugin to the client', () => {
  test('a stream arrives whole', async () => {
    const answer = await fetch(`${base}/pattern/${MEGABYTES}`);
    expect(Buffer.from(await answer.arrayBuffer()).equals(PATTERN)).toBe(true);
  });

  test('so do texts and bytes that are too large to travel in one message', async () => {
    expect(await (await fetch(`${base}/large-text`)).text()).toBe('é'.repeat(700_000));
    expect(await (await fetch(`${base}/large-json`)).json()).toEqual({ text: 'x'.repeat(900_000) });
    expect(new Uint8Array(await (await fetch(`${base}/all-bytes`)).arrayBuffer())).toEqual(
      Uint8Array.from({ length: 256 }, (_, i) => i),
    );
  });

  test('both ways at once: the answer begins before the request has ended', async () => {
    const gate = Promise.withResolvers<void>();
    const sent = pieces(PATTERN).getReader();
    const first = new TextEncoder().encode('first');
    let begun = false;
    const body = new ReadableStream<Uint8Array>({
      async pull(controller) {
        if (!begun) {
          begun = true;
          controller.enqueue(first);
          return;
        }
        await gate.promise;
        const { done, value } = await sent.read();
        if (done) controller.close();
        else controller.enqueue(value);
      },
    });
    const answer = await fetch(`${base}/mirror`, { method: 'POST', body });
    expect(answer.headers.get('content-type')).toBe('text/x-mirror');
    const reader = (answer.body as ReadableStream<Uint8Array>).getReader();
    const parts: Uint8Array[] = [];
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      parts.push(part.value);
      gate.resolve();
    }
    expect(sumOf(Buffer.concat(parts))).toBe(sumOf(Buffer.concat([first, PATTERN])));
  });

  test('a stream that breaks ends the answer as broken, and its reason is in the log of the plugin only', async () => {
    const raw = await rawRequest(
      core.url,
      'GET /api/plugins/web-server/broken-stream HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n',
    );
    // The last chunk of a whole answer is empty (RFC 9112, 7.1).
    expect(raw).not.toContain('\r\n0\r\n');
    expect(JSON.parse(await core.logged('web-server', 'the source broke')).level).toBe('error');
    expect((await fetch(`${base}/hello`)).status).toBe(200);
  });
});

describe('server-sent events', () => {
  test('flow as they come, and the source is told when the client leaves', async () => {
    const before = await counts();
    const client = new AbortController();
    const answer = await fetch(`${base}/ticks`, { signal: client.signal });
    expect(answer.headers.get('content-type')).toBe('text/event-stream');
    const events = (answer.body as ReadableStream<Uint8Array<ArrayBuffer>>)
      .pipeThrough(new TextDecoderStream())
      .pipeThrough(new EventSourceParserStream())
      .getReader();
    for (const count of [1, 2, 3]) {
      const { value } = await events.read();
      expect(value).toMatchObject({ id: String(count), data: `{"count":${count}}` });
    }
    expect((await counts()).live).toBe(before.live + 1);
    client.abort();
    await until(async () => (await counts()).cancelled === before.cancelled + 1, 'the stream is cancelled');
    expect((await counts()).live).toBe(before.live);
  });
});

describe('who goes away', () => {
  test('a client that leaves aborts the signal of its handler', async () => {
    const { aborted } = await counts();
    const client = new AbortController();
    const waiting = fetch(`${base}/waits`, { signal: client.signal }).catch((error: Error) => error.name);
    await until(
      async () => (await core.api('GET', '/api/plugins/web-server/metrics')).status === 200,
      'it is under way',
    );
    client.abort();
    expect(await waiting).toBe('AbortError');
    await until(async () => (await counts()).aborted === aborted + 1, 'the handler hears of it');
  });

  // 400 windows of 256 KiB are more than the heap of a plugin.
  test('400 uploads that the handler does not read leave nothing behind', async () => {
    const body = PATTERN.slice(0, 1_048_577);
    for (let round = 0; round < 400; round += 1) {
      expect((await fetch(`${base}/any`, { method: 'POST', body })).status).toBe(200);
    }
    const { restarts } = (await core.api('GET', '/api/plugins/web-server/metrics')).body;
    expect(restarts).toBe(0);
  });
});
