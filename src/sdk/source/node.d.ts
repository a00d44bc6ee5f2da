declare module 'assert/strict' {
  import assert = require('node:assert');
  export = assert;
}

declare module 'buffer' {
  export type AllowSharedBuffer = NodeJS.AllowSharedBuffer;
  export type BufferEncoding = NodeJS.BufferEncoding;
  export type NonSharedBuffer = NodeJS.NonSharedBuffer;
  /** Bytes, as Node has them: a `Uint8Array` that reads and writes text and numbers. */
  export type Buffer<Of extends ArrayBufferLike = ArrayBufferLike> = NodeJS.Buffer<Of>;
  export const Buffer: NodeJS.BufferConstructor;
  export import Blob = globalThis.Blob;
  export import File = globalThis.File;
  export import atob = globalThis.atob;
  export import btoa = globalThis.btoa;
}

declare module 'crypto' {
  /** Those of OpenSSL that are of use here. */
  export const constants: {
    readonly RSA_PKCS1_PADDING: number;
    readonly RSA_NO_PADDING: number;
    readonly RSA_PKCS1_OAEP_PADDING: number;
    readonly RSA_PKCS1_PSS_PADDING: number;
    readonly RSA_PSS_SALTLEN_DIGEST: number;
    readonly RSA_PSS_SALTLEN_MAX_SIGN: number;
    readonly RSA_PSS_SALTLEN_AUTO: number;
    readonly POINT_CONVERSION_COMPRESSED: number;
    readonly POINT_CONVERSION_UNCOMPRESSED: number;
    readonly POINT_CONVERSION_HYBRID: number;
  };
  export const subtle: SubtleCrypto;
  export const webcrypto: Crypto;
  export function getRandomValues<View extends ArrayBufferView>(view: View): View;
  namespace KeyObject {
    function from(key: CryptoKey): KeyObject;
  }
}

declare module 'path/posix' {
  import path = require('node:path');
  export = path;
}

/** For packages that ask for it: nothing of the host, no variables, and events that never come. */
declare module 'process' {
  interface Process {
    readonly title: string;
    readonly browser: true;
    readonly platform: 'linux';
    readonly arch: '';
    readonly version: '';
    /** Empty: not even `node`, so that packages take their way for the web. */
    readonly versions: Readonly<Record<string, string | undefined>>;
    readonly release: Readonly<Record<string, string | undefined>>;
    readonly config: Readonly<Record<string, unknown>>;
    readonly features: Readonly<Record<string, unknown>>;
    /** Empty: configuration is in `streamspace.config`. */
    readonly env: Record<string, string | undefined>;
    readonly argv: string[];
    readonly execArgv: string[];
    readonly execPath: '';
    readonly pid: number;
    readonly ppid: number;
    exitCode: number | undefined;
    /** Calls it as a microtask. */
    nextTick<Args extends unknown[]>(callback: (...args: Args) => void, ...args: Args): void;
    readonly hrtime: {
      (before?: readonly [seconds: number, nanoseconds: number]): [seconds: number, nanoseconds: number];
      bigint(): bigint;
    };
    uptime(): number;
    cwd(): '/';
    chdir(folder: string): never;
    umask(): number;
    emitWarning(warning: unknown): void;
    on(name: string | symbol, listener: (...args: never[]) => void): this;
    addListener(name: string | symbol, listener: (...args: never[]) => void): this;
    once(name: string | symbol, listener: (...args: never[]) => void): this;
    off(name: string | symbol, listener: (...args: never[]) => void): this;
    removeListener(name: string | symbol, listener: (...args: never[]) => void): this;
    removeAllListeners(name?: string | symbol): this;
    prependListener(name: string | symbol, listener: (...args: never[]) => void): this;
    prependOnceListener(name: string | symbol, listener: (...args: never[]) => void): this;
    setMaxListeners(most: number): this;
    getMaxListeners(): number;
    listeners(name: string | symbol): unknown[];
    listenerCount(name: string | symbol): number;
    eventNames(): unknown[];
    emit(name: string | symbol, ...args: unknown[]): boolean;
  }
  const process: Process;
  export = process;
}

declare module 'punycode' {
  export const version: string;
  export const ucs2: { decode(text: string): number[]; encode(points: readonly number[]): string };
  export function decode(text: string): string;
  export function encode(text: string): string;
  export function toASCII(domain: string): string;
  export function toUnicode(domain: string): string;
}

declare module 'stream/web' {
  export type QueuingStrategy<T = unknown> = globalThis.QueuingStrategy<T>;
  export import ByteLengthQueuingStrategy = globalThis.ByteLengthQueuingStrategy;
  export import CompressionStream = globalThis.CompressionStream;
  export import CountQueuingStrategy = globalThis.CountQueuingStrategy;
  export import DecompressionStream = globalThis.DecompressionStream;
  export import ReadableByteStreamController = globalThis.ReadableByteStreamController;
  export import ReadableStream = globalThis.ReadableStream;
  export import ReadableStreamBYOBReader = globalThis.ReadableStreamBYOBReader;
  export import ReadableStreamBYOBRequest = globalThis.ReadableStreamBYOBRequest;
  export import ReadableStreamDefaultController = globalThis.ReadableStreamDefaultController;
  export import ReadableStreamDefaultReader = globalThis.ReadableStreamDefaultReader;
  export import TextDecoderStream = globalThis.TextDecoderStream;
  export import TextEncoderStream = globalThis.TextEncoderStream;
  export import TransformStream = globalThis.TransformStream;
  export import TransformStreamDefaultController = globalThis.TransformStreamDefaultController;
  export import WritableStream = globalThis.WritableStream;
  export import WritableStreamDefaultController = globalThis.WritableStreamDefaultController;
  export import WritableStreamDefaultWriter = globalThis.WritableStreamDefaultWriter;
}

/** Unlike the global ones these answer objects, and nothing waits for them, so that `ref` and `unref` only answer. */
declare module 'timers' {
  export class Timeout {
    protected constructor();
    ref(): this;
    unref(): this;
    hasRef(): boolean;
    refresh(): this;
    close(): this;
    [Symbol.toPrimitive](): number;
    [Symbol.dispose](): void;
  }
  export class Immediate extends Timeout {}
  export function setTimeout(callback: (_: void) => void, ms?: number): Timeout;
  export function setTimeout<Args extends unknown[]>(
    callback: (...args: Args) => void,
    ms?: number,
    ...args: Args
  ): Timeout;
  export function setInterval(callback: (_: void) => void, ms?: number): Timeout;
  export function setInterval<Args extends unknown[]>(
    callback: (...args: Args) => void,
    ms?: number,
    ...args: Args
  ): Timeout;
  export function setImmediate(callback: (_: void) => void): Immediate;
  export function setImmediate<Args extends unknown[]>(callback: (...args: Args) => void, ...args: Args): Immediate;
  export function clearTimeout(timer?: Timeout | number | null): void;
  export function clearInterval(timer?: Timeout | number | null): void;
  export function clearImmediate(timer?: Immediate | null): void;
  export * as promises from 'node:timers/promises';
}

declare module 'timers/promises' {
  interface TimerOptions {
    readonly signal?: AbortSignal;
  }
  export function setTimeout<Value = void>(ms?: number, value?: Value, options?: TimerOptions): Promise<Value>;
  export function setImmediate<Value = void>(value?: Value, options?: TimerOptions): Promise<Value>;
  export function setInterval<Value = void>(
    ms?: number,
    value?: Value,
    options?: TimerOptions,
  ): AsyncGenerator<Value, never, void>;
  export const scheduler: { wait(ms: number, options?: TimerOptions): Promise<void>; yield(): Promise<void> };
}

declare module 'url' {
  export import URL = globalThis.URL;
  export import URLSearchParams = globalThis.URLSearchParams;
  export function urlToHttpOptions(url: URL): Record<string, unknown>;
}

declare module 'util' {
  export import TextDecoder = globalThis.TextDecoder;
  export import TextEncoder = globalThis.TextEncoder;
}

declare module 'util/types' {
  export function isCryptoKey(object: unknown): object is CryptoKey;
}
