import {
  type GuestHandler,
  type GuestHost,
  type Invocation,
  Later,
  type Registered,
  Reply,
  settle as then,
} from '../../sandbox-apis/_kit/guest.ts';
import { assertSize } from '../../sandbox-apis/_kit/json.ts';
import { CHANNEL_LIMITS } from '../protocol/limits.ts';
import { FLAG, type GuestError, KIND, LANE } from '../protocol/messages.ts';
import { type CoreError, fromCore, QuotaError, StreamSpaceError, toGuestError } from './errors.ts';
import {
  captureStackTrace,
  defineProperty,
  ErrorConstructor,
  hasOwn,
  PromiseConstructor,
  parse,
  RangeErrorConstructor,
  reject,
  SafeMap,
  setPrototypeOf,
  stringify,
} from './intrinsics.ts';
import { beginEntry, isFull, post } from './mailbox.ts';
import { onChunk, onCredit, onStreamAbort, readStream, writeStream } from './streams.ts';
import { AbortController, type AbortSignal as GuestSignal, onAbort } from './web/abort.ts';
import { clearContext } from './web/async-context.ts';

/** Calls under way that the guest waits for. */
interface PendingCall {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
  readonly calledFrom: { stack?: string };
  readonly invocation: number;
  /** Stops listening to the caller's signal. */
  release?: () => void;
}

const handlers = new SafeMap<number, GuestHandler>();
const calls = new SafeMap<number, PendingCall>();
const invocations = new SafeMap<number, GuestInvocation>();
let lastHandler = 0;
let lastCall = 0;
/** The traced invocation that what runs now is surely of; 0 when nobody can tell. */
let current = 0;

/** What load waits for; null once the plugin is loaded. */
let loading: Promise<unknown>[] | null = [];

class GuestInvocation implements Invocation {
  readonly body: string | null;
  readonly binary: boolean;
  stream: number | null = null;
  #controller: AbortController | null = null;

  constructor(body: string | null, binary: boolean) {
    this.body = body;
    this.binary = binary;
  }

  /** Made when somebody asks for it: most handlers never do. */
  get signal(): AbortSignal {
    this.#controller ??= new AbortController();
    return this.#controller.signal as unknown as AbortSignal;
  }

  abort(): void {
    this.#controller ??= new AbortController();
    this.#controller.abort();
  }

  waitUntil(promise: Promise<unknown>): void {
    void then(promise, noop, report);
  }
}

/** Registers a handler that the prelude itself answers, under a number above those of plugins. */
export function builtIn(number: number, handler: GuestHandler): void {
  handlers.set(number, handler);
}

/** Tells the plugin's log of an error that nobody caught. */
export function report(error: unknown): void {
  logUncaught('Uncaught', toGuestError(error));
}

function logUncaught(what: string, { name, message, stack }: GuestError): void {
  const line = bare({ level: 'error', message: `${what} ${name}: ${message}`, fields: bare({ stack }) });
  post(KIND.send, 0, 0, '"log.write"', stringify(line));
}

/** Tells the guest's listeners of a rejection that nobody handled; the web platform's own, set at boot. */
let tellRejection: (reason: unknown) => boolean = () => false;
export function onUncaught(tell: typeof tellRejection): void {
  tellRejection = tell;
}

/** The reason itself never left the isolate: the host was shown what it says, and that is what listeners get. */
function uncaught(error: GuestError): void {
  const { name, message, stack } = error;
  const reason = new ErrorConstructor(message);
  defineProperty(reason, 'name', bare({ value: name, writable: true, configurable: true }));
  defineProperty(reason, 'stack', bare({ value: stack, writable: true, configurable: true }));
  if (!tellRejection(reason)) logUncaught('Uncaught (in promise)', error);
}

/** Takes what the host delivers: `[[kind, id, lane, flags, head], ...]` and the bodies of those that have one. */
export function receive(heads: string, bodies: readonly string[]): void {
  beginEntry();
  const messages = parse(heads) as [number, number, number, number, unknown][];
  let next = 0;
  for (let at = 0; at < messages.length; at += 1) {
    // By index: destructuring asks the iterator of Array.prototype, which is the guest's to patch.
    const message = messages[at] as [number, number, number, number, unknown];
    const flags = message[3];
    const body = (flags & FLAG.body) === 0 ? null : (bodies[next++] ?? '');
    clearContext();
    current = 0;
    try {
      dispatch(message[0], message[1], message[2], flags, message[4], body);
    } catch (error) {
      report(error);
    }
  }
  clearContext();
  // What the awaits of a lone message bring is of its invocation too; of several nobody can tell.
  if (messages.length > 1) current = 0;
}

/** What takes the host's answers about cryptography; set at boot. */
let takeCrypto: (id: number, head: unknown, body: string | null) => void = noop;
export function onCrypto(take: typeof takeCrypto): void {
  takeCrypto = take;
}

/** What fires timers; the web platform's own, set at boot. */
let fireTimers: () => void = noop;
export function onWake(fire: () => void): void {
  fireTimers = fire;
}

function dispatch(kind: number, id: number, lane: number, flags: number, head: unknown, body: string | null): void {
  switch (kind) {
    case KIND.invoke:
      invoke(id, lane, flags, head as InvokeHead, body);
      return;
    case KIND.reply:
      settle(id, flags, head, body);
      return;
    case KIND.wake:
      fireTimers();
      return;
    case KIND.uncaught:
      uncaught(head as GuestError);
      return;
    case KIND.crypto:
      takeCrypto(id, head, body);
      return;
    case KIND.chunk:
      onChunk(id, flags, body);
      return;
    case KIND.credit:
      onCredit(id, head as number);
      return;
    case KIND.streamAbort:
      onStreamAbort(id, flags, head as Partial<CoreError> | null);
      return;
    case KIND.cancel:
      invocations.get(id)?.abort();
      return;
  }
}

interface InvokeHead {
  readonly p: unknown;
  readonly stream?: number;
  /** It is traced. */
  readonly t?: 1;
}

function invoke(id: number, lane: number, flags: number, head: InvokeHead, body: string | null): void {
  if (hasOwn(head, 't')) current = id;
  const handler = handlers.get(lane);
  if (handler === undefined) {
    fail(id, new Error(`handler ${lane} is not registered`));
    return;
  }
  const invocation = new GuestInvocation(body, (flags & FLAG.binary) !== 0);
  if (hasOwn(head, 'stream')) invocation.stream = head.stream as number;
  let answer: unknown;
  try {
    answer = handler(head.p, invocation);
  } catch (error) {
    fail(id, error);
    return;
  }
  if (typeof answer === 'object' && answer !== null && !(answer instanceof Reply)) {
    invocations.set(id, invocation);
    const later = answer instanceof Later ? answer : null;
    void then(
      later === null ? answer : later.value,
      (value) => finish(id, later, value),
      (error) => fail(id, error),
    );
  } else {
    succeed(id, answer);
  }
}

function finish(id: number, later: Later | null, value: unknown): void {
  let answer: unknown;
  try {
    answer = later === null ? value : later.finish(value);
  } catch (error) {
    fail(id, error);
    return;
  }
  succeed(id, answer);
}

/** The host ends an isolate that posts a message over its limits: an answer over them is an error here, before that. */
function succeed(id: number, value: unknown): void {
  invocations.delete(id);
  try {
    if (value instanceof Reply) {
      const head = stringify(value.head);
      if (head.length > CHANNEL_LIMITS.headBytes) throw tooLong('The head of the answer', CHANNEL_LIMITS.headBytes);
      post(KIND.result, id, value.binary ? FLAG.binary : 0, head, value.body === '' ? null : value.body);
      return;
    }
    assertSize(value, CHANNEL_LIMITS.inlineBodyBytes);
    const body = (stringify(value) as string | undefined) ?? 'null';
    if (body.length > CHANNEL_LIMITS.inlineBodyBytes) throw tooLong('The answer', CHANNEL_LIMITS.inlineBodyBytes);
    post(KIND.result, id, 0, '', body);
  } catch (error) {
    fail(id, error);
  }
}

function tooLong(what: string, limit: number): RangeError {
  return new RangeErrorConstructor(`${what} would be longer than ${limit} characters`);
}

function fail(id: number, error: unknown): void {
  invocations.delete(id);
  post(KIND.result, id, FLAG.error, '', stringify(toGuestError(error)));
}

/** The same without a prototype: a `toJSON` on that of all objects does not change what JSON makes of it. */
function bare<T extends object>(value: T): T {
  return setPrototypeOf(value, null);
}

function settle(id: number, flags: number, head: unknown, body: string | null): void {
  const pending = calls.get(id);
  if (pending === undefined) return;
  calls.delete(id);
  current = pending.invocation;
  pending.release?.();
  if ((flags & FLAG.error) !== 0) {
    pending.reject(fromCore(head as Parameters<typeof fromCore>[0], pending.calledFrom));
  } else {
    pending.resolve(body === null ? undefined : parse(body));
  }
}

function call<T>(name: string, input: unknown, options?: { signal?: AbortSignal | undefined }): Promise<T> {
  const signal = options?.signal;
  if (signal?.aborted) return reject(signal.reason);
  lastCall += 1;
  const id = lastCall;
  const calledFrom: { stack?: string } = {};
  captureStackTrace(calledFrom, call);
  return new PromiseConstructor<T>((resolve, reject) => {
    const text = encode(input);
    calls.set(id, { resolve: resolve as (value: unknown) => void, reject, calledFrom, invocation: current });
    post(KIND.call, id, 0, headOf(name), text);
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

/** A call's name, behind the number of the traced invocation that it is of (src/telemetry/calls.ts). */
function headOf(name: string): string {
  const text = stringify(name);
  return current === 0 ? text : `${current}${text}`;
}

/** A call's input as JSON text; the rooms have refused what JSON cannot say. @throws StreamSpaceError, RangeError */
function encode(input: unknown): string {
  if (isFull()) throw new QuotaError('Too much is being sent at once: await some calls first', {});
  assertSize(input, CHANNEL_LIMITS.callBytes);
  const json = (stringify(input) as string | undefined) ?? 'null';
  if (json.length <= CHANNEL_LIMITS.callBytes) return json;
  throw new StreamSpaceError('invalid_input', `The arguments are over ${CHANNEL_LIMITS.callBytes} bytes`);
}

function register<T>(name: string, input: object, handler: GuestHandler): Registered<T> {
  lastHandler += 1;
  const number = lastHandler;
  if (number > LANE.maxHandler) throw new RangeError(`more than ${LANE.maxHandler} handlers were registered`);
  handlers.set(number, handler);
  const done = call<T>(name, { ...input, handler: number });
  // Load waits for it and fails with it; later nobody may be waiting, so that the log is told.
  if (loading === null) void then(done, noop, report);
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
    for (let at = 0; at < batch.length; at += 1) await batch[at];
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
    /** Nobody waits for an answer: what does not fit is lost, as a log line over its rate is. */
    send(name: string, input: unknown): void {
      if (!isFull()) post(KIND.send, 0, 0, headOf(name), encode(input));
    },
  };
}

function noop(): void {}
