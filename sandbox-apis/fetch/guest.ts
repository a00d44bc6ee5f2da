import type { GuestHost } from '../_kit/guest.ts';

/** A body as the guest's web platform holds it: text, bytes (one char a byte), or a stream. */
export type BodyContent =
  | { readonly kind: 'none' }
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'binary'; readonly latin1: string }
  | { readonly kind: 'stream'; readonly stream: ReadableStream<Uint8Array> };

export interface ResponseHead {
  readonly status: number;
  readonly statusText: string;
  readonly url: string;
  readonly headers: [string, string][];
  readonly redirected: boolean;
}

/** Internals of the guest's web platform, passed in by the prelude. */
export interface FetchWeb {
  /** Takes a request apart; its body counts as used from then on. */
  readRequest(request: Request): {
    readonly method: string;
    readonly url: string;
    readonly headers: readonly (readonly [string, string])[];
    readonly redirect: 'follow' | 'error' | 'manual';
    readonly body: BodyContent;
  };
  /** Puts a response together that cannot be changed. */
  makeResponse(head: ResponseHead, body: BodyContent): Response;
}

/**
 * Web-standard `fetch` (https://fetch.spec.whatwg.org/) over http and https, with streaming bodies both ways.
 *
 * Needs the permission of the host: `network` (any public host), `network:<host>`, `network:<host>:<port>` or
 * `network:*.<domain>`; each redirect is checked as well. Private addresses have to be named.
 * Compressed answers are decoded; an answer's body is at most 32 MiB. A streamed request body is sent once, so a 307 or
 * 308 to it fails. There is no cookie jar, cache, CORS or referrer.
 * @throws PermissionError naming the permission that is missing
 * @throws TypeError `fetch failed: ...` for everything else, with `code` and `cause`
 * @throws the signal's reason when it was aborted
 * @example
 * ```ts
 * const response = await streamspace.fetch('https://api.example.com/v1/items', {
 *   method: 'POST',
 *   headers: { 'content-type': 'application/json' },
 *   body: JSON.stringify({ name: 'one' }),
 *   signal: AbortSignal.timeout(5_000),
 * });
 * if (!response.ok) throw new Error(`the service answered ${response.status}`);
 * ```
 */
export type FetchApi = (input: string | URL | Request, init?: RequestInit) => Promise<Response>;

export type WireBody = { text: string } | { latin1: string } | { stream: number; length?: number };

interface WireResponse extends ResponseHead {
  readonly body: null | { readonly text: string } | { readonly latin1: string } | { readonly stream: number };
}

const { hasOwn } = Object;

/** Characters of a body that travels inside the call (`INLINE_REQUEST` of the contract). */
const INLINE = 131_072;
const CHUNK = 65_536;

/** The guest's `fetch`. */
export function createFetch(host: GuestHost, web: FetchWeb): FetchApi {
  // Taken now: what the plugin does to its globals later changes nothing here.
  const { Request } = globalThis;
  return async function fetch(input, init) {
    const request = new Request(input, init);
    const { signal } = request;
    signal.throwIfAborted();
    const { method, url, headers, redirect, body } = web.readRequest(request);
    let answer: WireResponse;
    try {
      answer = await host.call<WireResponse>(
        'fetch.request',
        { method, url, headers, redirect, body: wireBody(host, body) },
        { signal },
      );
    } catch (error) {
      if (signal.aborted) throw signal.reason;
      throw asFetchError(error);
    }
    const { body: content, ...head } = answer;
    return web.makeResponse(head, contentOf(host, content, signal));
  };
}

function contentOf(host: GuestHost, body: WireResponse['body'], signal: AbortSignal): BodyContent {
  if (body === null) return { kind: 'none' };
  if ('text' in body) return { kind: 'text', text: body.text };
  if ('latin1' in body) return { kind: 'binary', latin1: body.latin1 };
  return { kind: 'stream', stream: abortable(host.readStream(body.stream), signal) };
}

/** Which of its forms a body on the wire has. */
export function isOf<W extends object, K extends string>(wire: W, form: K): wire is Extract<W, Record<K, unknown>> {
  return hasOwn(wire, form);
}

/** A body as a call takes it along: small ones inside, others as a stream. */
export function wireBody(host: GuestHost, body: BodyContent): WireBody | null {
  switch (body.kind) {
    case 'none':
      return null;
    case 'stream':
      return { stream: host.writeStream(body.stream) };
    case 'text': {
      if (body.text.length <= INLINE) return { text: body.text };
      const bytes = new TextEncoder().encode(body.text);
      const stream = sliced(bytes.length, (from, to) => bytes.subarray(from, to));
      return { stream: host.writeStream(stream), length: bytes.length };
    }
    case 'binary': {
      const { latin1 } = body;
      if (latin1.length <= INLINE) return { latin1 };
      const stream = sliced(latin1.length, (from, to) => {
        const bytes = new Uint8Array(to - from);
        for (let i = from; i < to; i += 1) bytes[i - from] = latin1.charCodeAt(i);
        return bytes;
      });
      return { stream: host.writeStream(stream), length: latin1.length };
    }
  }
}

/** A large body, piece by piece as it is wanted. */
function sliced(length: number, slice: (from: number, to: number) => Uint8Array): ReadableStream<Uint8Array> {
  let from = 0;
  return new ReadableStream<Uint8Array>(
    {
      pull(controller) {
        const to = Math.min(from + CHUNK, length);
        controller.enqueue(slice(from, to));
        from = to;
        if (from === length) controller.close();
      },
    },
    { highWaterMark: 0 },
  );
}

/** The Fetch standard: aborting the signal after the headers are there errors the body. */
function abortable(source: ReadableStream<Uint8Array>, signal: AbortSignal): ReadableStream<Uint8Array> {
  const reader = source.getReader();
  let onAbort = (): void => undefined;
  const done = (): void => signal.removeEventListener('abort', onAbort);
  return new ReadableStream<Uint8Array>(
    {
      start(controller) {
        onAbort = () => {
          controller.error(signal.reason);
          // The reader has its error; how the source takes the cancelling concerns nobody.
          reader.cancel(signal.reason).catch(() => undefined);
        };
        signal.addEventListener('abort', onAbort, { once: true });
        if (signal.aborted) onAbort();
      },
      async pull(controller) {
        try {
          const { done: ended, value } = await reader.read();
          if (signal.aborted) return;
          if (!ended) return controller.enqueue(value);
          done();
          controller.close();
        } catch (error) {
          done();
          throw asFetchError(error);
        }
      },
      cancel(reason) {
        done();
        return reader.cancel(reason);
      },
    },
    { highWaterMark: 0 },
  );
}

/** The standard's TypeError, except for a refusal of the gate, which names its permission. */
function asFetchError(error: unknown): unknown {
  const { code, message } = error as { code?: unknown; message?: unknown };
  if (code === 'permission_denied') return error;
  const made = new TypeError(`fetch failed: ${typeof message === 'string' ? message : 'unknown error'}`, {
    cause: error,
  });
  return Object.assign(made, { code });
}
