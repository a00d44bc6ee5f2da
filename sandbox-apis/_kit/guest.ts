/**
 * What a room's guest half may use. It runs inside the isolate: no imports but types and this file, no Node, no Bun.
 */

/** What the core passes along with an invocation. */
export interface Invocation {
  /** Aborted when the caller goes away or the deadline has passed; made when it is first asked for. */
  readonly signal: AbortSignal;
  /** Raw body: text when `binary` is false, one char a byte (latin1) when true; null when there is none or it is a stream. */
  readonly body: string | null;
  readonly binary: boolean;
  /** Id for `readStream` when the body is streamed. */
  readonly stream: number | null;
  /** Keeps the isolate's instance alive until the promise settles; errors are logged. */
  readonly waitUntil: (promise: Promise<unknown>) => void;
}

/** Answers an invocation with a head (JSON) and a raw body beside it, so that bodies are not encoded twice. */
export class Reply {
  readonly head: unknown;
  readonly body: string;
  readonly binary: boolean;
  constructor(head: unknown, body: string, binary: boolean) {
    this.head = head;
    this.body = body;
    this.binary = binary;
  }
}

/**
 * An answer that the guest still owes: `finish` makes the Reply of what its promise gives. The bridge waits for it, so
 * that neither `finish` nor a promise of a Reply passes a method of Promise, which the guest may have patched.
 */
export class Later {
  readonly value: unknown;
  readonly finish: (value: unknown) => unknown;
  constructor(value: unknown, finish: (value: unknown) => unknown) {
    this.value = value;
    this.finish = finish;
  }
}

/** Tells what comes of a promise, by `await`: its `then` and its species are the guest's to patch. */
export async function settle<T>(
  value: T | PromiseLike<T>,
  ok: (value: T) => void,
  fail: (error: unknown) => void,
): Promise<void> {
  let got: T;
  try {
    got = await value;
  } catch (error) {
    fail(error);
    return;
  }
  ok(got);
}

/** Called by the core; its value becomes JSON unless it is a Reply or Later. The payload was made by the core. */
// biome-ignore lint/suspicious/noExplicitAny: each room's payload has its own shape
export type GuestHandler = (payload: any, invocation: Invocation) => unknown;

export interface GuestHost {
  readonly plugin: { readonly name: string; readonly version: string };
  /** Calls the core; rejects with an error whose `code` is of the registry (`PermissionError` for refusals). */
  call<T>(name: string, input: unknown, options?: { signal?: AbortSignal | undefined }): Promise<T>;
  /** Calls the core without an answer (contract: `oneway`). */
  send(name: string, input: unknown): void;
  /**
   * Registers a handler with the core: calls `name` with `{...input, handler}`. During load the host waits for it and a
   * refusal fails the load; later a refusal rejects the returned promise.
   */
  register<T>(name: string, input: object, handler: GuestHandler): Registered<T>;
  readStream(id: number): ReadableStream<Uint8Array>;
  writeStream(stream: ReadableStream<Uint8Array>): number;
  /** The configuration as the core validated it; replaced before `onConfigChange` runs. */
  config(): Readonly<Record<string, unknown>>;
}

export interface Registered<T> {
  readonly handler: number;
  readonly done: Promise<T>;
  /** Lets the handler go inside the guest; tell the core by a call of your own. */
  release(): void;
}
