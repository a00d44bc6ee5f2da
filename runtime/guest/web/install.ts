import type { CryptoLine } from '../crypto-line.ts';
import { AbortController, AbortSignal, onAbort } from './abort.ts';
import { atob, btoa } from './base64.ts';
import { console } from './console.ts';
import { CustomEvent, Event } from './event.ts';
import { EventTarget, hasListeners, scope } from './event-target.ts';
import { Headers } from './headers.ts';
import { heavy } from './heavy.ts';
import { isRequest, isResponse, makeRequest, makeResponse, readRequest, readResponse } from './http.ts';
import { ObjectDefineProperty, ObjectSetPrototypeOf } from './intrinsics.ts';
import { decodeLatin1, encodeLatin1 } from './latin1.ts';
import { defineClass, defineGlobal, defineLazy, named } from './lazy.ts';
import { makePerformance, Navigator, navigator, Performance } from './performance.ts';
import { Request } from './request.ts';
import { Response } from './response.ts';
import { primitives, setPrimitives } from './runtime-hooks.ts';
import { allow, clearInterval, clearTimeout, count, fire, queueMicrotask, setInterval, setTimeout } from './timers.ts';

/** What the web platform needs of the bridge. */
export interface Primitives {
  /** Strong randomness, one char (U+0000 to U+00FF) a byte; at most 65,536 bytes. */
  random(bytes: number): string;
  /** Text of a part of the web platform (parts.ts). */
  source(name: string): string;
  /** Cryptography, which the host does (lazy/crypto-request.ts): JSON and bytes as latin1 in and out. */
  readonly crypto: {
    /** @returns a line of JSON, then bytes */
    now(head: string, body: string): string;
    later: CryptoLine['later'];
  };
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
  readonly rejections: {
    /** Whether the guest listens for rejections that nobody handles. */
    listens(): boolean;
    /** Tells it of one; true when a listener took care of it. */
    tell(reason: unknown): boolean;
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

/** The guest's listeners run: what they throw goes to the host, never round again. */
let telling = false;

/** Lets the guest's listeners take care of what nobody caught; true when one did. */
function tellGuest(type: 'error' | 'unhandledrejection', error: unknown): boolean {
  if (telling || !hasListeners(scope, type)) return false;
  telling = true;
  try {
    const { errorHandled, rejectionHandled } = heavy.errorEvents();
    return type === 'error' ? errorHandled(error) : rejectionHandled(error);
  } catch {
    // What the error says of itself throws: the host copes with that.
    return false;
  } finally {
    telling = false;
  }
}

/** Makes the global object an EventTarget, with the handlers that Ecma-429 lists. */
function defineScope(): void {
  ObjectSetPrototypeOf(globalThis, EventTarget.prototype);
  for (const type of ['error', 'unhandledrejection', 'rejectionhandled']) {
    ObjectDefineProperty(globalThis, `on${type}`, {
      __proto__: null,
      get: () => heavy.errorEvents().globalHandler(type),
      set: (value) => heavy.errorEvents().setGlobalHandler(type, value),
      enumerable: false,
      configurable: true,
    });
  }
}

function reportUncaught(error: unknown): void {
  if (arguments.length === 0) throw new TypeError("Failed to execute 'reportError': 1 argument required");
  primitives().reportError(error);
}

/**
 * Defines the web platform's globals in this isolate and answers what the bridge uses of it. To be called once, before
 * any plugin code runs; what is heavy is evaluated when it is first touched.
 */
export function installWeb(given: Primitives): WebInternals {
  setPrimitives({
    ...given,
    reportError(error) {
      if (!tellGuest('error', error)) given.reportError(error);
    },
  });
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
  const timers = { clearInterval, clearTimeout, queueMicrotask, setInterval, setTimeout };
  defineFunctions({ ...timers, atob, btoa, fetch: given.fetch, reportError: reportUncaught });
  defineScope();
  defineGlobal('console', console);
  defineGlobal('navigator', navigator);
  defineGlobal('performance', makePerformance());
  defineGlobal('self', globalThis);

  defineLazy(['DOMException', 'QuotaExceededError'], heavy.domException);
  defineLazy(['URL', 'URLSearchParams'], heavy.url);
  defineLazy(['TextDecoder', 'TextDecoderStream', 'TextEncoder', 'TextEncoderStream'], heavy.encoding);
  defineLazy(['Crypto', 'crypto'], heavy.crypto);
  defineLazy(['CryptoKey', 'SubtleCrypto'], heavy.subtle);
  defineLazy(['Blob', 'File'], heavy.blob);
  defineLazy(['FileReader', 'ProgressEvent'], heavy.fileReader);
  defineLazy(['FormData'], heavy.formData);
  defineLazy(['structuredClone'], heavy.structuredClone);
  defineLazy(['URLPattern'], heavy.urlPattern);
  defineLazy(['CompressionStream', 'DecompressionStream'], heavy.compression);
  defineLazy(['MessageChannel', 'MessageEvent', 'MessagePort'], heavy.messages);
  defineLazy(['ErrorEvent', 'PromiseRejectionEvent'], heavy.errorEvents);
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
    rejections: {
      listens: () => hasListeners(scope, 'unhandledrejection'),
      tell: (reason) => tellGuest('unhandledrejection', reason),
    },
    latin1: { encode: encodeLatin1, decode: decodeLatin1 },
    streams: heavy.streams,
  };
}
