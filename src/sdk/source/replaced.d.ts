// What the guest has in another form than a worker of a browser: stands for the declarations of the same names in
// lib.webworker.d.ts. Part of globals.d.ts (../build-globals.ts).

declare var self: typeof globalThis;

/** What runs this code: `navigator.userAgent` is `StreamSpace`. */
declare var navigator: Navigator;

interface Navigator {
  readonly userAgent: string;
}

declare var Navigator: {
  prototype: Navigator;
};

/** The clock of the isolate: milliseconds since it was made, never going back. */
interface Performance extends EventTarget {
  readonly timeOrigin: DOMHighResTimeStamp;
  now(): DOMHighResTimeStamp;
  toJSON(): { timeOrigin: DOMHighResTimeStamp };
}

declare var Performance: {
  prototype: Performance;
};

/** Called for errors that nobody caught: answer true, or prevent the default of the `error` event, and they are not logged. */
declare var onerror:
  | ((event: ErrorEvent | string, source?: string, line?: number, column?: number, error?: unknown) => unknown)
  | null;

declare var onunhandledrejection: ((event: PromiseRejectionEvent) => unknown) | null;

declare var onrejectionhandled: ((event: PromiseRejectionEvent) => unknown) | null;

interface GuestEventMap {
  error: ErrorEvent;
  rejectionhandled: PromiseRejectionEvent;
  unhandledrejection: PromiseRejectionEvent;
}

declare function addEventListener<Type extends keyof GuestEventMap>(
  type: Type,
  listener: (event: GuestEventMap[Type]) => unknown,
  options?: boolean | AddEventListenerOptions,
): void;
declare function addEventListener(
  type: string,
  listener: EventListenerOrEventListenerObject | null,
  options?: boolean | AddEventListenerOptions,
): void;

declare function removeEventListener<Type extends keyof GuestEventMap>(
  type: Type,
  listener: (event: GuestEventMap[Type]) => unknown,
  options?: boolean | EventListenerOptions,
): void;
declare function removeEventListener(
  type: string,
  listener: EventListenerOrEventListenerObject | null,
  options?: boolean | EventListenerOptions,
): void;

declare function dispatchEvent(event: Event): boolean;

/**
 * Calls `callback` once, in `ms` milliseconds. While one is pending the plugin stays awake. For what has to outlast a
 * reload, use `streamspace.scheduler`.
 */
declare function setTimeout(callback: (_: void) => void, ms?: number): number;
declare function setTimeout<Args extends unknown[]>(
  callback: (...args: Args) => void,
  ms?: number,
  ...args: Args
): number;

/** Calls `callback` every `ms` milliseconds. It keeps the plugin awake for good: prefer `streamspace.scheduler.every`. */
declare function setInterval(callback: (_: void) => void, ms?: number): number;
declare function setInterval<Args extends unknown[]>(
  callback: (...args: Args) => void,
  ms?: number,
  ...args: Args
): number;

type BodyInit = ReadableStream | Blob | BufferSource | FormData | URLSearchParams | string;

type MessageEventSource = MessagePort;

type Transferable = ArrayBuffer | MessagePort | ReadableStream | WritableStream | TransformStream;

/** There is no cache, cookie jar, CORS or referrer: members about those are not read. */
interface RequestInit {
  body?: BodyInit | null;
  /** Has to be said when `body` is a stream: the answer comes after all of the body was sent. */
  duplex?: 'half';
  headers?: HeadersInit;
  method?: string;
  redirect?: RequestRedirect;
  signal?: AbortSignal | null;
}
