import { AbortController, AbortSignal, onAbort } from './abort.ts';
import { atob, btoa } from './base64.ts';
import { console } from './console.ts';
import { CustomEvent, Event } from './event.ts';
import { EventTarget } from './event-target.ts';
import { Headers } from './headers.ts';
import { heavy } from './heavy.ts';
import { isRequest, isResponse, makeRequest, makeResponse, readRequest, readResponse } from './http.ts';
import { ObjectDefineProperty } from './intrinsics.ts';
import { decodeLatin1, encodeLatin1 } from './latin1.ts';
import { defineClass, defineGlobal, defineLazy, named } from './lazy.ts';
import { makePerformance, Navigator, navigator, Performance } from './performance.ts';
import { Request } from './request.ts';
import { Response } from './response.ts';
import { setPrimitives } from './runtime-hooks.ts';
import { allow, clearInterval, clearTimeout, count, fire, queueMicrotask, setInterval, setTimeout } from './timers.ts';

/** What the web platform needs of the bridge. */
export interface Primitives {
  /** Strong randomness, one char (U+0000 to U+00FF) a byte; at most 65,536 bytes. */
  random(bytes: number): string;
  /** Text of a part of the web platform (parts.ts). */
  source(name: string): string;
  /**
   * Asks the host to call `timers.fire` in so many milliseconds; replaces the earlier request. There is no taking back:
   * a call for a timer that was cleared in between does nothing.
   */
  wake(ms: number): void;
  /** Milliseconds of a clock that never goes back. */
  monotonic(): number;
  console(level: 'debug' | 'info' | 'warn' | 'error', message: string, fields?: unknown): void;
  fetch(input: RequestInfo | URL, init?: RequestInit): Promise<globalThis.Response>;
  /** Takes what nobody caught. */
  reportError(error: unknown): void;
}

export interface WebInternals {
  readonly timers: { fire(): void; count(): number; allow(most: number): void };
  readonly http: {
    readonly makeRequest: typeof makeRequest;
    readonly readResponse: typeof readResponse;
    readonly makeResponse: typeof makeResponse;
    readonly readRequest: typeof readRequest;
    readonly isResponse: typeof isResponse;
    readonly isRequest: typeof isRequest;
    /** Query parameters of a URL, by name; of those that are there twice the last. */
    queryOf(url: string): Record<string, string>;
    bytesOf(latin1: string): Uint8Array<ArrayBuffer>;
    encode(text: string): Uint8Array<ArrayBuffer>;
  };
  readonly abort: {
    /** A controller whose signal is made when it is first asked for. */
    make(): { controller: globalThis.AbortController };
    /** Calls `run` when the signal aborts, whatever the guest did to `addEventListener`; answers how to take it back. */
    subscribe(signal: globalThis.AbortSignal, run: () => void): () => void;
  };
  readonly latin1: { encode(bytes: Uint8Array): string; decode(text: string): Uint8Array };
  /** The streams library itself, evaluated at the first call: the global names are the guest's to replace. */
  streams(): ReturnType<typeof heavy.streams>;
}

function queryOf(url: string): Record<string, string> {
  const query: Record<string, string> = {};
  new (heavy.url().URL)(url).searchParams.forEach((value, name) => {
    ObjectDefineProperty(query, name, { __proto__: null, value, writable: true, enumerable: true, configurable: true });
  });
  return query;
}

function defineFunctions(functions: Readonly<Record<string, (...args: never[]) => unknown>>): void {
  for (const name of Object.keys(functions)) defineGlobal(name, named(name, functions[name] as () => unknown));
}

/**
 * Defines the web platform's globals in this isolate and answers what the bridge uses of it. To be called once, before
 * any plugin code runs; what is heavy is evaluated when it is first touched.
 */
export function installWeb(primitives: Primitives): WebInternals {
  setPrimitives(primitives);
  const classes = {
    AbortController,
    AbortSignal,
    CustomEvent,
    Event,
    EventTarget,
    Headers,
    Navigator,
    Performance,
  };
  for (const name of Object.keys(classes)) defineClass(name, classes[name as keyof typeof classes]);
  defineClass('Request', Request);
  defineClass('Response', Response);
  const { fetch, reportError } = primitives;
  const timers = { clearInterval, clearTimeout, queueMicrotask, setInterval, setTimeout };
  defineFunctions({ ...timers, atob, btoa, fetch, reportError: (error: unknown) => reportError(error) });
  defineGlobal('console', console);
  defineGlobal('navigator', navigator);
  defineGlobal('performance', makePerformance());
  defineGlobal('self', globalThis);

  defineLazy(['DOMException'], heavy.domException);
  defineLazy(['URL', 'URLSearchParams'], heavy.url);
  defineLazy(['TextDecoder', 'TextDecoderStream', 'TextEncoder', 'TextEncoderStream'], heavy.encoding);
  defineLazy(['Crypto', 'crypto'], heavy.crypto);
  defineLazy(['Blob', 'File'], heavy.blob);
  defineLazy(['FormData'], heavy.formData);
  defineLazy(['structuredClone'], heavy.structuredClone);
  defineLazy(
    [
      'ByteLengthQueuingStrategy',
      'CountQueuingStrategy',
      'ReadableByteStreamController',
      'ReadableStream',
      'ReadableStreamBYOBReader',
      'ReadableStreamBYOBRequest',
      'ReadableStreamDefaultController',
      'ReadableStreamDefaultReader',
      'TransformStream',
      'TransformStreamDefaultController',
      'WritableStream',
      'WritableStreamDefaultController',
      'WritableStreamDefaultWriter',
    ],
    heavy.streams,
  );

  return {
    timers: { fire, count, allow },
    http: {
      makeRequest,
      readResponse,
      makeResponse,
      readRequest,
      isResponse,
      isRequest,
      queryOf,
      bytesOf: decodeLatin1,
      encode: (text) => heavy.encoding().utf8Encode(text),
    },
    abort: {
      make: () => ({ controller: new AbortController() as unknown as globalThis.AbortController }),
      subscribe: (signal, run) => onAbort(signal as unknown as AbortSignal, run),
    },
    latin1: { encode: encodeLatin1, decode: decodeLatin1 },
    streams: heavy.streams,
  };
}
