/**
 * The messages between core and isolate host. Each is one frame: kind, flags, lane, isolate, id, a JSON head and a raw
 * body. The host understands `load`, `dispose` and `ping`; the others pass through it between the core and a guest.
 */
export const KIND = {
  // core -> host
  load: 1,
  dispose: 2,
  ping: 3,
  /** First of all: the prelude's code is the body, the megabytes that most isolates get the head. */
  boot: 4,
  /** A message of the inspector protocol, for an isolate that was made for inspection; the first begins a session. */
  inspect: 5,
  /** Ends the session; an isolate that is paused goes on. */
  inspectEnd: 6,
  // core -> guest
  invoke: 10,
  cancel: 11,
  reply: 12,
  // both ways between core and guest: streams
  chunk: 13,
  credit: 14,
  streamAbort: 15,
  // host -> core
  ready: 20,
  pong: 21,
  loaded: 22,
  gone: 23,
  /** An isolate runs on although its time is over; the host cannot stop it. */
  stuck: 24,
  /** A piece of a message of the inspector protocol; FLAG.last on its last one. */
  inspected: 25,
  // guest -> core
  result: 30,
  call: 31,
  send: 32,
  callAbort: 33,
  // guest -> host
  wake: 40,
  // host -> guest
  /** A rejection that nobody handled (`GuestError`), for a guest that listens for them. */
  uncaught: 42,
  // both ways between guest and host: the body is any bytes
  crypto: 41,
} as const;

export type Kind = (typeof KIND)[keyof typeof KIND];

export const FLAG = {
  /** There is a body. */
  body: 1,
  /** The body is any bytes; without it the body is UTF-8 text. */
  binary: 2,
  /** The head is an error (`GuestError`). */
  error: 4,
  /** Last chunk of a stream. */
  last: 8,
} as const;

/**
 * The lane of a message to a guest: what the host learns its cost by. Handlers have their own number, what follows an
 * invocation shares a few.
 */
export const LANE = {
  maxHandler: 60_000,
  uncaught: 65_531,
  crypto: 65_532,
  timer: 65_533,
  stream: 65_534,
  reply: 65_535,
} as const;

export interface LoadHead {
  readonly plugin: string;
  readonly version: string;
  /** Megabytes of V8 heap. */
  readonly memoryMb: number;
  /** Milliseconds that one entry into the isolate may run. */
  readonly cpuMs: number;
  /** Whether it is kept off the main thread, however quick it is. */
  readonly onPool: boolean;
  /** Whether it is made for inspection: then nothing but the core ends an entry once it is loaded. */
  readonly inspect?: boolean;
  /** Milliseconds for the bundle's top level. */
  readonly loadMs: number;
  /** Timers that may wait at a time. */
  readonly timers: number;
  readonly config: unknown;
}

export interface ReadyHead {
  readonly node: string;
  readonly v8: string;
  readonly pid: number;
  /** What the child could reach when it tried; all false when it is well confined. */
  readonly reach: Readonly<Record<'env' | 'files' | 'sockets' | 'processes' | 'parent' | 'descriptors', boolean>>;
}

/** Why an isolate is no more. */
export type GoneReason = 'cpu' | 'memory' | 'protocol' | 'catastrophic' | 'disposed' | 'load';

export interface GoneHead {
  readonly reason: GoneReason;
  readonly error: GuestError | null;
}

/** An error as plain strings, the only form in which one leaves an isolate. */
export interface GuestError {
  readonly name: string;
  readonly message: string;
  readonly stack: string;
  /** The registry's code when the guest got the error from the core. */
  readonly code: string | null;
}

/** The isolates that ran since the last time: `[isolate, cpuMs, heapBytes, whether a timer of it is pending]`. */
export interface StatsHead {
  readonly rss: number;
  readonly isolates: readonly (readonly [number, number, number, boolean])[];
}

/** Numbers of the handlers that the prelude itself registers. */
export const BUILT_IN_HANDLER = {
  /** Runs `onLoad` and waits for what it registered. */
  load: 60_001,
  /** Runs a lifecycle hook: `{ name, args }`. */
  hook: 60_002,
  /** Replaces the configuration, then runs `onConfigChange`. */
  config: 60_003,
} as const;
