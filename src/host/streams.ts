import { CHANNEL_LIMITS } from '../../runtime/protocol/limits.ts';
import { FLAG, KIND } from '../../runtime/protocol/messages.ts';
import { CodedError } from '../../sandbox-apis/_kit/errors.ts';

/** Sends one stream message of this guest: kind, flags, stream id, head, body. */
export type SendStreamMessage = (
  kind: number,
  flags: number,
  id: number,
  head: string,
  body: Uint8Array | null,
) => void;

/** A stream that the guest writes; it may be `streamWindowBytes` ahead of its reader. */
interface Incoming {
  controller: ReadableStreamDefaultController<Uint8Array> | null;
  readonly waiting: Uint8Array[];
  waitingBytes: number;
  ended: boolean;
  error: Error | null;
  /** Somebody reads it; until then only the window is held. */
  taken: boolean;
  watch: StreamWatch;
}

/** Told of what becomes of a stream that the guest writes. */
export interface StreamWatch {
  /**
   * The writer failed. The reader then sees an error without a reason: Bun's server prints the reason of a body that
   * breaks, which here is a text of the guest's.
   */
  readonly onBroken?: (error: Error) => void;
  /** It is over, however it ended. */
  readonly onEnd?: () => void;
}

interface Outgoing {
  room: number;
  resume: (() => void) | null;
  readonly reader: ReadableStreamDefaultReader<Uint8Array>;
}

/** Streams that a guest may have under way in one direction; more is a leak or a flood. */
const MAX_STREAMS = 1_024;
/** Streams that were cancelled last and of which chunks may still be on their way. */
const MAX_CANCELLED = 4_096;

/** The streams between the core and one guest, with credit so that no side holds more than a window. */
export class GuestStreams {
  readonly #send: SendStreamMessage;
  readonly #onEnd: () => void;
  readonly #incoming = new Map<number, Incoming>();
  readonly #outgoing = new Map<number, Outgoing>();
  /** Ids of streams that the core cancelled: what still comes of them is dropped. */
  readonly #cancelled = new Set<number>();
  #lastId = 0;

  /** @param onEnd called when a stream has ended, however it did */
  constructor(send: SendStreamMessage, onEnd: () => void) {
    this.#send = send;
    this.#onEnd = onEnd;
  }

  /** Streams under way in both directions. */
  get size(): number {
    return this.#incoming.size + this.#outgoing.size;
  }

  /** Lets the guest read a stream; answers its id. @throws CodedError `quota_exceeded` */
  send(source: ReadableStream<Uint8Array>): number {
    if (this.#outgoing.size >= MAX_STREAMS) {
      throw new CodedError(
        'quota_exceeded',
        `More than ${MAX_STREAMS} streams are under way; read or cancel some first`,
      );
    }
    this.#lastId += 1;
    const id = this.#lastId;
    const stream: Outgoing = { room: CHANNEL_LIMITS.streamWindowBytes, resume: null, reader: source.getReader() };
    this.#outgoing.set(id, stream);
    this.#pump(id, stream).catch((error: unknown) => {
      if (!this.#forget(this.#outgoing, id)) return;
      const message = error instanceof Error ? error.message : String(error);
      this.#send(KIND.streamAbort, FLAG.error, id, JSON.stringify({ message }), null);
    });
    return id;
  }

  async #pump(id: number, stream: Outgoing): Promise<void> {
    for (;;) {
      const { done, value } = await stream.reader.read();
      if (!this.#outgoing.has(id)) return;
      if (done) {
        this.#forget(this.#outgoing, id);
        this.#send(KIND.chunk, FLAG.last, id, '', null);
        return;
      }
      for (let at = 0; at < value.length; at += CHANNEL_LIMITS.chunkBytes) {
        const part = value.subarray(at, at + CHANNEL_LIMITS.chunkBytes);
        while (stream.room < part.length) {
          await new Promise<void>((resolve) => {
            stream.resume = resolve;
          });
          if (!this.#outgoing.has(id)) return;
        }
        stream.room -= part.length;
        this.#send(KIND.chunk, FLAG.binary, id, '', part);
      }
    }
  }

  /** Ends a stream that the guest reads: nobody waits for what it would make of the rest. */
  end(id: number): void {
    if (!this.#outgoing.has(id)) return;
    this.#stop(id, new Error('the reader is done'));
    this.#send(KIND.streamAbort, FLAG.error, id, '{"message":"the request is over"}', null);
  }

  /** The stream of that id that the guest writes. */
  receive(id: number, watch: StreamWatch = {}): ReadableStream<Uint8Array> {
    const stream = this.#incomingOf(id);
    if (stream === null || stream.taken) throw new Error(`stream ${id} cannot be read`);
    stream.taken = true;
    stream.watch = watch;
    return new ReadableStream<Uint8Array>(
      {
        pull: (controller) => {
          stream.controller = controller;
          this.#hand(id, stream);
        },
        cancel: () => {
          this.#drop(id, stream);
          if (!stream.ended) this.#cancelled.add(id);
          for (const oldest of this.#cancelled) {
            if (this.#cancelled.size <= MAX_CANCELLED) break;
            this.#cancelled.delete(oldest);
          }
          this.#send(KIND.streamAbort, 0, id, '', null);
        },
      },
      { highWaterMark: 0 },
    );
  }

  /** Takes a chunk from the guest; false when the guest broke the rules (more than its window, too many streams). */
  onChunk(id: number, flags: number, body: Uint8Array): boolean {
    if (this.#cancelled.has(id)) return true;
    const stream = this.#incomingOf(id);
    if (stream === null || stream.ended) return false;
    if (body.length > 0) {
      stream.waiting.push(body);
      stream.waitingBytes += body.length;
      if (stream.waitingBytes > CHANNEL_LIMITS.streamWindowBytes) return false;
    }
    if ((flags & FLAG.last) !== 0) stream.ended = true;
    this.#hand(id, stream);
    return true;
  }

  onCredit(id: number, bytes: number): void {
    const stream = this.#outgoing.get(id);
    if (stream === undefined) return;
    stream.room = Math.min(stream.room + bytes, CHANNEL_LIMITS.streamWindowBytes);
    const { resume } = stream;
    stream.resume = null;
    resume?.();
  }

  /** The guest gave up a stream: as writer (with the error flag) or as reader. */
  onAbort(id: number, flags: number, message: string): void {
    if ((flags & FLAG.error) !== 0) {
      if (this.#cancelled.has(id)) return;
      const stream = this.#incomingOf(id);
      if (stream === null) return;
      stream.error = new Error(message);
      this.#hand(id, stream);
      return;
    }
    this.#stop(id, new Error('the reader cancelled'));
  }

  /** Ends everything: the guest is gone. */
  close(reason: Error): void {
    for (const id of [...this.#outgoing.keys()]) this.#stop(id, reason);
    for (const [id, stream] of this.#incoming) {
      stream.error = reason;
      stream.waiting.length = 0;
      this.#hand(id, stream);
    }
    this.#incoming.clear();
  }

  #stop(id: number, reason: Error): void {
    const stream = this.#outgoing.get(id);
    if (stream === undefined) return;
    this.#forget(this.#outgoing, id);
    stream.resume?.();
    stream.reader.cancel(reason).catch(() => undefined);
  }

  #drop(id: number, { watch }: Incoming): void {
    this.#forget(this.#incoming, id);
    watch.onEnd?.();
  }

  #forget(streams: Map<number, unknown>, id: number): boolean {
    const known = streams.delete(id);
    if (known) this.#onEnd();
    return known;
  }

  #incomingOf(id: number): Incoming | null {
    let stream = this.#incoming.get(id);
    if (stream === undefined) {
      if (this.#incoming.size >= MAX_STREAMS) return null;
      stream = { controller: null, waiting: [], waitingBytes: 0, ended: false, error: null, taken: false, watch: {} };
      this.#incoming.set(id, stream);
    }
    return stream;
  }

  #hand(id: number, stream: Incoming): void {
    const { controller } = stream;
    if (controller === null) return;
    const chunk = stream.waiting.shift();
    if (chunk !== undefined) {
      stream.controller = null;
      stream.waitingBytes -= chunk.length;
      this.#send(KIND.credit, 0, id, `${chunk.length}`, null);
      controller.enqueue(chunk);
    } else if (stream.error !== null) {
      this.#drop(id, stream);
      stream.watch.onBroken?.(stream.error);
      controller.error(stream.watch.onBroken === undefined ? stream.error : undefined);
    } else if (stream.ended) {
      this.#drop(id, stream);
      controller.close();
    }
  }
}
