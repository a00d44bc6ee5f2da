import {
  type GuestHandler,
  type GuestHost,
  type Invocation,
  type Registered,
  Reply,
} from '../../sandbox-apis/_kit/guest.ts';
import { FLAG, KIND, LANE } from '../protocol/messages.ts';
import { fromCore, toGuestError } from './errors.ts';
import { captureStackTrace, PromiseConstructor, parse, SafeMap, stringify, then } from './intrinsics.ts';
import { post } from './mailbox.ts';
import { onChunk, onCredit, onStreamAbort, readStream, writeStream } from './streams.ts';
import { AbortController, type AbortSignal as GuestSignal, onAbort } from './web/abort.ts';

/** Calls under way that the guest waits for. */
interface PendingCall {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
  readonly calledFrom: { stack?: string };
  /** Stops listening to the caller's signal. */
  release?: () => void;
}

const handlers = new SafeMap<number, GuestHandler>();
const calls = new SafeMap<number, PendingCall>();
const invocations = new SafeMap<number, GuestInvocation>();
let lastHandler = 0;
let lastCall = 0;

/** What load waits for; null once the plugin is loaded. */
let loading: Promise<unknown>[] | null = [];

class GuestInvocation implements Invocation {
  readonly body: string | null;
  readonly binary: boolean;
  stream: number | null = null;
  readonly controller = new AbortController() as unknown as globalThis.AbortController;

  constructor(body: string | null, binary: boolean) {
    this.body = body;
    this.binary = binary;
  }

  get signal(): AbortSignal {
    return this.controller.signal;
  }

  waitUntil(promise: Promise<unknown>): void {
    then(promise, noop, report);
  }
}

/** Registers a handler that the prelude itself answers, under a number above those of plugins. */
export function builtIn(number: number, handler: GuestHandler): void {
  handlers.set(number, handler);
}

/** Tells the plugin's log of an error that nobody caught. */
export function report(error: unknown): void {
  const { name, message, stack } = toGuestError(error);
  post(
    KIND.send,
    0,
    0,
    '"log.write"',
    stringify({ level: 'error', message: `Uncaught ${name}: ${message}`, fields: { stack } }),
  );
}

/** Takes what the host delivers: `[[kind, id, lane, flags, head], ...]` and the bodies of those that have one. */
export function receive(heads: string, bodies: readonly string[]): void {
  const messages = parse(heads) as [number, number, number, number, unknown][];
  let next = 0;
  for (let at = 0; at < messages.length; at += 1) {
    const [kind, id, lane, flags, head] = messages[at] as [number, number, number, number, unknown];
    const body = (flags & FLAG.body) === 0 ? null : (bodies[next++] ?? '');
    try {
      dispatch(kind, id, lane, flags, head, body);
    } catch (error) {
      report(error);
    }
  }
}

/** What fires timers; the web platform's own, set at boot. */
let fireTimers: () => void = noop;
export function onWake(fire: () => void): void {
  fireTimers = fire;
}

function dispatch(kind: number, id: number, lane: number, flags: number, head: unknown, body: string | null): void {
  switch (kind) {
    case KIND.invoke:
      invoke(id, lane, flags, head as { stream?: number; p: unknown }, body);
      return;
    case KIND.reply:
      settle(id, flags, head, body);
      return;
    case KIND.wake:
      fireTimers();
      return;
    case KIND.chunk:
      onChunk(id, flags, body);
      return;
    case KIND.credit:
      onCredit(id, head as number);
      return;
    case KIND.streamAbort:
      onStreamAbort(id, flags, head as { message?: string } | null);
      return;
    case KIND.cancel:
      invocations.get(id)?.controller.abort();
      return;
  }
}

function invoke(
  id: number,
  lane: number,
  flags: number,
  head: { stream?: number; p: unknown },
  body: string | null,
): void {
  const handler = handlers.get(lane);
  if (handler === undefined) {
    fail(id, new Error(`handler ${lane} is not registered`));
    return;
  }
  const invocation = new GuestInvocation(body, (flags & FLAG.binary) !== 0);
  if (head.stream !== undefined) invocation.stream = head.stream;
  let answer: unknown;
  try {
    answer = handler(head.p, invocation);
  } catch (error) {
    fail(id, error);
    return;
  }
  if (typeof answer === 'object' && answer !== null && !(answer instanceof Reply)) {
    invocations.set(id, invocation);
    then(
      answer,
      (value) => succeed(id, value),
      (error) => fail(id, error),
    );
  } else {
    succeed(id, answer);
  }
}

function succeed(id: number, value: unknown): void {
  invocations.delete(id);
  if (value instanceof Reply) {
    post(KIND.result, id, value.binary ? FLAG.binary : 0, stringify(value.head), value.body === '' ? null : value.body);
    return;
  }
  let body: string | undefined;
  try {
    body = stringify(value);
  } catch (error) {
    fail(id, error);
    return;
  }
  post(KIND.result, id, 0, '', body ?? 'null');
}

function fail(id: number, error: unknown): void {
  invocations.delete(id);
  post(KIND.result, id, FLAG.error, '', stringify(toGuestError(error)));
}

function settle(id: number, flags: number, head: unknown, body: string | null): void {
  const pending = calls.get(id);
  if (pending === undefined) return;
  calls.delete(id);
  pending.release?.();
  if ((flags & FLAG.error) !== 0) {
    pending.reject(fromCore(head as Parameters<typeof fromCore>[0], pending.calledFrom));
  } else {
    pending.resolve(body === null ? undefined : parse(body));
  }
}

function call<T>(name: string, input: unknown, options?: { signal?: AbortSignal | undefined }): Promise<T> {
  const signal = options?.signal;
  if (signal?.aborted) return PromiseConstructor.reject(signal.reason);
  lastCall += 1;
  const id = lastCall;
  const calledFrom: { stack?: string } = {};
  captureStackTrace(calledFrom, call);
  return new PromiseConstructor<T>((resolve, reject) => {
    calls.set(id, { resolve: resolve as (value: unknown) => void, reject, calledFrom });
    post(KIND.call, id, 0, stringify(name), stringify(input) ?? 'null');
    if (signal === undefined) return;
    const pending = calls.get(id);
    const release = onAbort(signal as unknown as GuestSignal, () => {
      if (!calls.delete(id)) return;
      post(KIND.callAbort, id, 0, '', null);
      reject(signal.reason);
    });
    if (pending !== undefined) pending.release = release;
  });
}

function register<T>(name: string, input: object, handler: GuestHandler): Registered<T> {
  lastHandler += 1;
  const number = lastHandler;
  if (number > LANE.maxHandler) throw new RangeError(`more than ${LANE.maxHandler} handlers were registered`);
  handlers.set(number, handler);
  const done = call<T>(name, { ...input, handler: number });
  // Load waits for it and fails with it; later nobody may be waiting, so that the log is told.
  if (loading === null) then(done, noop, report);
  else loading[loading.length] = done;
  return {
    handler: number,
    done,
    release(): void {
      handlers.delete(number);
    },
  };
}

/** Waits for everything that was registered so far, and for what that brings, then ends the load. */
export async function settleLoad(): Promise<void> {
  while (loading !== null && loading.length > 0) {
    const batch = loading;
    loading = [];
    for (const registration of batch) await registration;
  }
  loading = null;
}

export function createHost(plugin: GuestHost['plugin'], config: () => Readonly<Record<string, unknown>>): GuestHost {
  return {
    plugin,
    config,
    call,
    register,
    readStream,
    writeStream,
    send(name: string, input: unknown): void {
      post(KIND.send, 0, 0, stringify(name), stringify(input) ?? 'null');
    },
  };
}

function noop(): void {}
