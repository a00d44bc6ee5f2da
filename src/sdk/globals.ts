/**
 * The globals of the guest that are not the language's own (Ecma-429, WinterTC Minimum Common API): names to be taken
 * from TypeScript's `lib.webworker.d.ts`. A test compares what comes of it with a real isolate.
 */
export const GLOBALS = [
  // dom
  'AbortController',
  'AbortSignal',
  'CustomEvent',
  'DOMException',
  'ErrorEvent',
  'Event',
  'EventTarget',
  'PromiseRejectionEvent',
  // html
  'MessageChannel',
  'MessageEvent',
  'MessagePort',
  'atob',
  'btoa',
  'clearInterval',
  'clearTimeout',
  'navigator',
  'queueMicrotask',
  'reportError',
  'self',
  'setInterval',
  'setTimeout',
  'structuredClone',
  // hr-time, console
  'Performance',
  'performance',
  'console',
  // fetch, xhr, FileAPI
  'ProgressEvent',
  'Blob',
  'File',
  'FileReader',
  'FormData',
  'Headers',
  'Request',
  'Response',
  'fetch',
  // url, urlpattern
  'URL',
  'URLPattern',
  'URLSearchParams',
  // encoding, compression
  'CompressionStream',
  'DecompressionStream',
  'TextDecoder',
  'TextDecoderStream',
  'TextEncoder',
  'TextEncoderStream',
  // streams
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
  // WebCryptoAPI
  'Crypto',
  'CryptoKey',
  'SubtleCrypto',
  'crypto',
] as const;

/** Members that the guest does without, by the name of their interface. */
export const LEFT_OUT: Readonly<Record<string, readonly string[]>> = {
  // One log, and no timeline beside it.
  Console: ['timeStamp'],
  File: ['webkitRelativePath'],
  // Deprecated before it had users here.
  MessageEvent: ['initMessageEvent'],
  // There is nothing to load from such an address.
  URL: ['createObjectURL', 'revokeObjectURL'],
};

/** Statics that the guest has and TypeScript does not know yet, by the name of their class. */
export const STATICS: Readonly<Record<string, string>> = {
  ReadableStream: 'from<R>(source: AsyncIterable<R> | Iterable<R | PromiseLike<R>>): ReadableStream<R>;',
};
