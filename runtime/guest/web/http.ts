import type { Pair } from './header-list.ts';
import { type BodyShape, fromShape, noPayload, takeShape, textPayload } from './payload.ts';
import { pairsOf, type RequestState, requestOf, requestState } from './request.ts';
import { defaultOptions } from './request-init.ts';
import { isBodyless, responseOf, responseState } from './response.ts';

export interface RequestHead {
  method: string;
  /** Absolute and serialized, as the core made it. */
  url: string;
  /** Field lines: `name:value\n` each, names in lower case. */
  headers: string;
}

export interface IncomingBody {
  /** Well-formed text, or one char a byte when `binary` is set; null when there is none or it is a stream. */
  text: string | null;
  binary: boolean;
  stream: ReadableStream<Uint8Array> | null;
}

export interface ResponseShape {
  status: number;
  statusText: string;
  /** The list of the Response itself: serialize it before the guest runs again. */
  headers: Pair[];
  body: BodyShape;
}

export interface RequestShape {
  method: string;
  url: string;
  headers: Pair[];
  redirect: 'follow' | 'error' | 'manual';
  body: BodyShape;
}

export interface ResponseHead {
  status: number;
  statusText: string;
  url: string;
  headers: Pair[];
  redirected: boolean;
}

/**
 * A Request of what the core sent, without checks: nothing is parsed before the guest touches it. What has a signal
 * stands for it, which saves making one that nobody asks for.
 */
export function makeRequest(
  head: RequestHead,
  body: IncomingBody,
  signal: globalThis.AbortSignal | { readonly signal: globalThis.AbortSignal },
): globalThis.Request {
  const { text, stream } = body;
  const payload =
    text === null
      ? stream === null
        ? noPayload()
        : { text: null, binary: false, bytes: null, stream, used: false }
      : body.binary
        ? { text, binary: true, bytes: null, stream: null, used: false }
        : textPayload(text);
  return requestOf({
    method: head.method,
    url: head.url,
    list: head.headers,
    headers: null,
    payload,
    signal: signal as unknown as RequestState['signal'],
    options: defaultOptions,
  }) as unknown as globalThis.Request;
}

/** Whether `readResponse` takes it; `instanceof` is the guest's to patch. */
export function isResponse(value: unknown): value is globalThis.Response {
  return responseState(value) !== undefined;
}

/** Whether `readRequest` takes it. */
export function isRequest(value: unknown): value is globalThis.Request {
  return requestState(value) !== undefined;
}

/**
 * What a Response says, for the core. Its body is used by it; text and binary text are not copied.
 *
 * @throws TypeError when it is no Response, is a network error, or its body was used.
 */
export function readResponse(response: globalThis.Response): ResponseShape {
  const state = responseState(response);
  if (state === undefined) throw new TypeError('The value is not a Response');
  if (state.type === 'error') throw new TypeError('A network error is not an answer');
  return { status: state.status, statusText: state.statusText, headers: state.list, body: takeShape(state.payload) };
}

/** A Response of what the core fetched; its headers cannot be changed. */
export function makeResponse(head: ResponseHead, body: BodyShape): globalThis.Response {
  const { status, statusText, url, headers, redirected } = head;
  return responseOf({
    status,
    statusText,
    list: headers,
    headers: null,
    payload: isBodyless(status) ? noPayload() : fromShape(body),
    type: 'basic',
    url,
    redirected,
    immutable: true,
  }) as unknown as globalThis.Response;
}

/**
 * What a Request says, for `fetch`. Its body is used by it.
 *
 * @throws TypeError when it is no Request or its body was used.
 */
export function readRequest(request: globalThis.Request): RequestShape {
  const state = requestState(request);
  if (state === undefined) throw new TypeError('The value is not a Request');
  const { method, url, payload, options } = state;
  const redirect = options.redirect as RequestShape['redirect'];
  return { method, url, headers: pairsOf(state), redirect, body: takeShape(payload) };
}
