import type { Caller } from '../../sandbox-apis/_kit/contract.ts';

export interface TestCaller {
  /** What a handler is given. */
  readonly caller: Caller;
  /** Plays the guest that writes a stream: the id to put into the input. */
  offer(stream: ReadableStream<Uint8Array>): number;
  /** Plays the guest that reads a stream: the one behind the id of an output, once. */
  take(id: number): ReadableStream<Uint8Array>;
  /** How many streams the handler sent that nobody has taken. */
  readonly untaken: number;
  /** Plays the core: the deadline has passed, the guest has aborted or the isolate is gone. */
  abort(reason?: unknown): void;
}

/**
 * A caller without an isolate, for the tests of a room's handlers. Streams are handed over in memory, as they are, with
 * the back-pressure of their own.
 */
export function testCaller(
  options: { plugin?: string; version?: string; isolate?: number; grants?: readonly string[]; depth?: number } = {},
): TestCaller {
  const controller = new AbortController();
  const fromGuest = new Map<number, ReadableStream<Uint8Array>>();
  const toGuest = new Map<number, ReadableStream<Uint8Array>>();
  let lastId = 0;
  const put = (streams: Map<number, ReadableStream<Uint8Array>>, stream: ReadableStream<Uint8Array>): number => {
    lastId += 1;
    streams.set(lastId, stream);
    return lastId;
  };
  const pull = (streams: Map<number, ReadableStream<Uint8Array>>, id: number): ReadableStream<Uint8Array> => {
    const stream = streams.get(id);
    if (!stream) throw new Error(`No stream has the id ${id}, or it was taken before`);
    streams.delete(id);
    return stream;
  };
  return {
    caller: {
      plugin: options.plugin ?? 'test-plugin',
      version: options.version ?? '1.0.0',
      isolate: options.isolate ?? 1,
      grants: options.grants ?? [],
      signal: controller.signal,
      depth: options.depth ?? 0,
      sendStream: (stream) => put(toGuest, stream),
      receiveStream: (id) => pull(fromGuest, id),
    },
    offer: (stream) => put(fromGuest, stream),
    take: (id) => pull(toGuest, id),
    get untaken() {
      return toGuest.size;
    },
    abort: (reason) => controller.abort(reason),
  };
}
