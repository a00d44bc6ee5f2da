import { settle as then } from '../../sandbox-apis/_kit/guest.ts';
import { CHANNEL_LIMITS } from '../protocol/limits.ts';
import { FLAG, KIND } from '../protocol/messages.ts';
import { type CoreError, fromCore, toGuestError } from './errors.ts';
import { PromiseConstructor, SafeMap, stringify } from './intrinsics.ts';
import { post } from './mailbox.ts';
import { heavy } from './web/heavy.ts';
import { decodeLatin1, encodeLatin1 } from './web/latin1.ts';

/** A stream from the core: chunks wait here until the reader wants them; credit goes back as it takes them. */
interface Incoming {
  controller: ReadableStreamDefaultController<Uint8Array> | null;
  readonly waiting: Uint8Array[];
  ended: boolean;
  error: Error | null;
  /** It has a reader, who keeps it. */
  taken: boolean;
}

/** A stream to the core: `room` is how many bytes may still be sent before the core asks for more. */
interface Outgoing {
  room: number;
  resume: (() => void) | null;
  cancelled: boolean;
  readonly reader: ReadableStreamDefaultReader<Uint8Array>;
}

const incoming = new SafeMap<number, Incoming>();
const outgoing = new SafeMap<number, Outgoing>();
/** Streams that were given up last: chunks of them may still be on their way, and are dropped. */
const cancelled = new SafeMap<number, true>();
/** More than can be on their way at a time. */
const MAX_CANCELLED = 1_024;
let lastId = 0;

function incomingOf(id: number): Incoming {
  let stream = incoming.get(id);
  if (stream === undefined) {
    stream = { controller: null, waiting: [], ended: false, error: null, taken: false };
    incoming.set(id, stream);
  }
  return stream;
}

/** The core's stream of that id as a ReadableStream of bytes. */
export function readStream(id: number): ReadableStream<Uint8Array> {
  const stream = incomingOf(id);
  stream.taken = true;
  // The library's own: the global name is the guest's to replace.
  const { ReadableStream } = heavy.streams();
  return new ReadableStream<Uint8Array>(
    {
      pull(controller): void {
        stream.controller = controller;
        pump(id, stream);
      },
      cancel(): void {
        incoming.delete(id);
        if (!stream.ended) forgetLater(id);
        post(KIND.streamAbort, id, 0, '', null);
      },
    },
    { highWaterMark: 0 },
  ) as globalThis.ReadableStream<Uint8Array>;
}

function forgetLater(id: number): void {
  cancelled.set(id, true);
  if (cancelled.size > MAX_CANCELLED) cancelled.delete(cancelled.keys().next().value as number);
}

/** Hands one chunk to a reader that wants it; `pull` comes again when it wants more. */
function pump(id: number, stream: Incoming): void {
  const controller = stream.controller;
  if (controller === null) return;
  const chunk = stream.waiting.shift();
  if (chunk !== undefined) {
    stream.controller = null;
    post(KIND.credit, id, 0, `${chunk.length}`, null);
    controller.enqueue(chunk);
  } else if (stream.error !== null) {
    incoming.delete(id);
    controller.error(stream.error);
  } else if (stream.ended) {
    incoming.delete(id);
    controller.close();
  }
}

export function onChunk(id: number, flags: number, body: string | null): void {
  if (cancelled.has(id)) return;
  const stream = incomingOf(id);
  if (body !== null) stream.waiting.push(decodeLatin1(body));
  if ((flags & FLAG.last) !== 0) stream.ended = true;
  pump(id, stream);
}

/** The other side gave up: as writer (with an error) or as reader. */
export function onStreamAbort(id: number, flags: number, head: Partial<CoreError> | null): void {
  if ((flags & FLAG.error) !== 0) {
    if (cancelled.has(id)) return;
    const stream = incomingOf(id);
    const error = new Error(head?.message ?? 'the stream was aborted');
    stream.error = head?.code === undefined ? error : fromCore(head as CoreError, error);
    // As errored streams do: what was not read yet is lost.
    stream.waiting.length = 0;
    if (stream.taken) incoming.delete(id);
    pump(id, stream);
    return;
  }
  const stream = outgoing.get(id);
  if (stream === undefined) return;
  stream.cancelled = true;
  outgoing.delete(id);
  stream.resume?.();
  void then(stream.reader.cancel(), noop, noop);
}

export function onCredit(id: number, bytes: number): void {
  const stream = outgoing.get(id);
  if (stream === undefined) return;
  stream.room += bytes;
  const resume = stream.resume;
  stream.resume = null;
  resume?.();
}

/** Sends a stream of bytes to the core; answers the id under which it can be named in a message. */
export function writeStream(source: ReadableStream<Uint8Array>): number {
  lastId += 1;
  const id = lastId;
  const stream: Outgoing = {
    room: CHANNEL_LIMITS.streamWindowBytes,
    resume: null,
    cancelled: false,
    reader: source.getReader(),
  };
  outgoing.set(id, stream);
  void then(send(id, stream), noop, (error) => {
    if (!outgoing.delete(id)) return;
    post(KIND.streamAbort, id, FLAG.error, stringify({ message: toGuestError(error).message }), null);
  });
  return id;
}

async function send(id: number, stream: Outgoing): Promise<void> {
  for (;;) {
    const { done, value } = await stream.reader.read();
    if (stream.cancelled) return;
    if (done) {
      outgoing.delete(id);
      post(KIND.chunk, id, FLAG.last, '', null);
      return;
    }
    if (!(value instanceof Uint8Array)) throw new TypeError('a body stream has to give Uint8Array chunks');
    for (let at = 0; at < value.length; at += CHANNEL_LIMITS.chunkBytes) {
      const part = value.subarray(at, at + CHANNEL_LIMITS.chunkBytes);
      while (stream.room < part.length && !stream.cancelled) {
        await new PromiseConstructor<void>((resolve) => {
          stream.resume = resolve;
        });
      }
      if (stream.cancelled) return;
      stream.room -= part.length;
      post(KIND.chunk, id, FLAG.binary, '', encodeLatin1(part));
    }
  }
}

function noop(): void {}
