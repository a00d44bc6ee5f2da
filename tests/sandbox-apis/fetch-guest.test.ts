import { afterAll, describe, expect, test } from 'bun:test';
import type { GuestHost } from '../../sandbox-apis/_kit/guest.ts';
import { type BodyContent, createFetch, type FetchApi, type FetchWeb } from '../../sandbox-apis/fetch/guest.ts';
import { type FetchInput, type FetchRoom, fetchRoom, rawServer } from '../kit/fetch-room.ts';

/** The guest half on this side's web platform; what a body is made of comes from the test. */
function webWith(content: BodyContent | null): FetchWeb {
  return {
    readRequest({ method, url, redirect, headers, body }) {
      const plain: BodyContent = body === null ? { kind: 'none' } : { kind: 'stream', stream: body };
      return { method, url, redirect, headers: [...headers], body: content ?? plain };
    },
    makeResponse(head, body) {
      const made = new Response(
        body.kind === 'stream'
          ? body.stream
          : body.kind === 'binary'
            ? Buffer.from(body.latin1, 'latin1')
            : body.kind === 'text'
              ? body.text
              : null,
        head,
      );
      return Object.defineProperties(made, { url: { value: head.url }, redirected: { value: head.redirected } });
    },
  };
}

interface Wired {
  readonly fetch: FetchApi;
  readonly room: FetchRoom;
  readonly inputs: FetchInput[];
}

function wired(grants: readonly string[], content: BodyContent | null = null): Wired {
  const room = fetchRoom(grants);
  const inputs: FetchInput[] = [];
  const host = {
    call: async (_name: string, input: FetchInput, { signal }: { signal?: AbortSignal } = {}) => {
      inputs.push(input);
      const abort = () => room.abort();
      signal?.addEventListener('abort', abort);
      return room.request(input).finally(() => signal?.removeEventListener('abort', abort));
    },
    writeStream: (stream: ReadableStream<Uint8Array>) => room.offer(stream),
    readStream: (id: number) => room.take(id),
  } as unknown as GuestHost;
  return { fetch: createFetch(host, webWith(content)), room, inputs };
}

const started = Promise.withResolvers<void>();
const dropped = Promise.withResolvers<void>();
const server = Bun.serve({
  port: 0,
  hostname: '127.0.0.1',
  routes: {
    '/json': () => Response.json({ ok: true }),
    '/bytes': () => new Response(new Uint8Array([0, 255])),
    '/large': () => new Response('x'.repeat(200_000)),
    '/length': async (request) => {
      const bytes = new Uint8Array(await request.arrayBuffer());
      return Response.json({
        length: bytes.length,
        declared: request.headers.get('content-length'),
        last: bytes.at(-1),
      });
    },
    '/moved': () => Response.redirect('/json', 302),
    '/hangs': () => {
      started.resolve();
      return new Promise<Response>(() => undefined);
    },
    '/endless': () =>
      new Response(
        new ReadableStream<Uint8Array>({
          start: (controller) => controller.enqueue(Buffer.from('x')),
          cancel: () => dropped.resolve(),
        }),
      ),
  },
});
afterAll(() => server.stop(true));
const url = `http://127.0.0.1:${server.port}`;
const grants = [`network:127.0.0.1:${server.port}`];

describe('answers', () => {
  test('text, bytes, streams and redirects', async () => {
    const { fetch } = wired(grants);
    expect(await (await fetch(`${url}/json`)).json()).toEqual({ ok: true });
    expect(await (await fetch(new URL('/bytes', url))).bytes()).toEqual(new Uint8Array([0, 255]));
    expect(await (await fetch(new Request(`${url}/large`))).text()).toBe('x'.repeat(200_000));
    const moved = await fetch(`${url}/moved`);
    expect([moved.url, moved.redirected, moved.status]).toEqual([`${url}/json`, true, 200]);
    expect((await fetch(`${url}/moved`, { redirect: 'manual' })).status).toBe(302);
  });
});

describe('request bodies', () => {
  const post = { method: 'POST', body: new Uint8Array(1) };

  test.each([
    [{ kind: 'text', text: 'four' }, { text: 'four' }, { length: 4, declared: '4', last: 114 }],
    [{ kind: 'binary', latin1: '\x00\xff' }, { latin1: '\x00\xff' }, { length: 2, declared: '2', last: 255 }],
  ] as const)('a small one travels inside the call: %o', async (content, wire, arrived) => {
    const { fetch, inputs } = wired(grants, content);
    expect(await (await fetch(`${url}/length`, post)).json()).toEqual(arrived);
    expect(inputs[0]?.body).toEqual(wire);
  });

  test.each([
    [{ kind: 'text', text: '\u00fc'.repeat(150_000) }, 300_000, 188],
    [{ kind: 'binary', latin1: '\u00fc'.repeat(150_000) }, 150_000, 252],
  ] as const)('a large one is streamed with its length', async (content, length, last) => {
    const { fetch, inputs } = wired(grants, content);
    expect(await (await fetch(`${url}/length`, post)).json()).toEqual({ length, declared: `${length}`, last });
    expect(inputs[0]?.body).toEqual({ stream: expect.any(Number), length });
  });

  test('a stream is streamed', async () => {
    const { fetch, inputs } = wired(grants);
    const init = { method: 'POST', body: new Blob(['a', 'b']).stream(), duplex: 'half' as const };
    expect(await (await fetch(`${url}/length`, init)).json()).toMatchObject({ length: 2, declared: null });
    expect(inputs[0]?.body).toEqual({ stream: expect.any(Number) });
  });
});

describe('errors', () => {
  const caught = (promise: Promise<unknown>): Promise<unknown> =>
    promise.then(
      () => 'nothing',
      (error: unknown) => error,
    );

  test('a refusal of the gate is passed on as it is', async () => {
    const { fetch } = wired(grants);
    const error = await caught(fetch('https://api.example.com/'));
    expect(error).not.toBeInstanceOf(TypeError);
    expect(error).toMatchObject({ code: 'permission_denied', extra: { permission: 'network:api.example.com:443' } });
  });

  test('everything else is a TypeError with code and cause', async () => {
    const gone = await rawServer(() => undefined);
    await gone[Symbol.asyncDispose]();
    const { fetch } = wired([`network:127.0.0.1:${gone.port}`]);
    const error = await caught(fetch(gone.url));
    expect(error).toBeInstanceOf(TypeError);
    expect(error).toMatchObject({
      message: `fetch failed: ${gone.url}: no connection (ECONNREFUSED)`,
      code: 'network_failed',
      cause: { code: 'network_failed' },
    });
    expect(await caught(fetch('file:///etc/passwd'))).toMatchObject({ name: 'TypeError', code: 'invalid_input' });
    expect(await caught(fetch('not a url'))).toBeInstanceOf(TypeError);
  });

  test('an aborted signal is the reason, before and during the call', async () => {
    const { fetch, inputs } = wired(grants);
    const reason = new Error('enough');
    expect(await caught(fetch(`${url}/json`, { signal: AbortSignal.abort(reason) }))).toBe(reason);
    expect(inputs).toHaveLength(0);
    const controller = new AbortController();
    const pending = caught(fetch(`${url}/hangs`, { signal: controller.signal }));
    await started.promise;
    controller.abort();
    expect(await pending).toMatchObject({ name: 'AbortError' });
  });

  test('aborting after the headers errors the body and closes the connection', async () => {
    const { fetch } = wired(grants);
    const controller = new AbortController();
    const response = await fetch(`${url}/endless`, { signal: controller.signal });
    const reader = response.body?.getReader();
    expect((await reader?.read())?.value).toEqual(new Uint8Array([120]));
    const next = caught(reader?.read() ?? Promise.resolve());
    controller.abort();
    expect(await next).toMatchObject({ name: 'AbortError' });
    await dropped.promise;
  });
});
