import { CHANNEL_LIMITS } from '../../runtime/protocol/limits.ts';
import { FLAG, KIND } from '../../runtime/protocol/messages.ts';
import { CodedError } from '../../sandbox-apis/_kit/errors.ts';
import { ByteQueue } from './byte-queue.ts';

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
  readonly waiting: ByteQueue;
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
  /** Told of bytes as they are handed on; an error ends the stream with it, for the writer too. */
  readonly onBytes?: (count: number) => Error | null;
  /** It is over, however it ended. */
  readonly onEnd?: () => void;
  /** What it serves, for `cut`. */
  readonly capability?: string;
}

interface Outgoing {
  readonly capability: string | null;
  room: number;
  resume: (() => void) | null;
  readonly reader: ReadableStreamDefaultReader<Uint8Array>;
}

/** Streams that a guest may have under way in one direction; more is a leak or a flood. */
const MAX_STREAMS = 1_024;
/** Streams that were cancelled last and of which chunks may still be on their way. */
const MAX_CANCELLED = 4_096;
/** Bytes of one guest that may wait for readers: the windows of 256 downloads that stand still, not those of 1,024. */
const MAX_WAITING_BYTES = 64 * 1024 * 1024;
/** Ids are u32 on the wire. */
const MAX_ID = 0xffff_ffff;

/** The streams between the core and one guest, with credit so that no side holds more than a window. */
export class GuestStreams {
  readonly #send: SendStreamMessage;
  readonly #onEnd: () => void;
  readonly #incoming = new Map<number, Incoming>();
  readonly #outgoing = new Map<number, Outgoing>();
  /** Ids of streams that the core cancelled: what still comes of them is dropped. */
  readonly #cancelled = new Set<number>();
  /** Bytes of all streams of the guest that wait for their readers. */
  #waitingBytes = 0;
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

  /**
   * Lets the guest read a stream; answers its id.
   *
   * @param capability what it serves, for `cut`
   * @throws CodedError `quota_exceeded`
   */
  send(source: ReadableStream<Uint8Array>, capability: string | null = null): number {
    if (this.#outgoing.size >= MAX_STREAMS) {
      throw new CodedError(
        'quota_exceeded',
        `More than ${MAX_STREAMS} streams are under way; read or cancel some first`,
      );
    }
    this.#lastId += 1;
    const id = this.#lastId;
    const reader = source.getReader();
    const stream: Outgoing = { capability, room: CHANNEL_LIMITS.streamWindowBytes, resume: null, reader };
    this.#outgoing.set(id, stream);
    this.#pump(id, stream).catch((error: unknown) => {
      if (!this.#forget(this.#outgoing, id)) return;
      this.#send(KIND.streamAbort, FLAG.error, id, abortHead(error), null);
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

  /** Ends all streams of a capability, both ways; whoever reads or writes one gets the reason. */
  cut(capability: string, reason: CodedError): void {
    for (const [id, stream] of [...this.#outgoing]) {
      if (stream.capability !== capability) continue;
      this.#stop(id, reason);
      this.#send(KIND.streamAbort, FLAG.error, id, abortHead(reason), null);
    }
    for (const [id, stream] of [...this.#incoming]) {
      if (stream.watch.capability !== capability) continue;
      this.#giveUp(id, stream, reason);
      this.#hand(id, stream);
    }
  }

  /** Has a guest stop writing; who reads gets the reason. */
  #giveUp(id: number, stream: Incoming, reason: Error): void {
    stream.error = reason;
    this.#discard(stream);
    if (!stream.ended) this.#dropRest(id);
    this.#send(KIND.streamAbort, 0, id, '', null);
  }

  /** Whether `receive` answers a stream: the guest may name one that is none, or one that is read already. */
  mayReceive(id: number): boolean {
    if (!Number.isInteger(id) || id < 1 || id > MAX_ID) return false;
    const known = this.#incoming.get(id);
    return known === undefined ? this.#incoming.size < MAX_STREAMS : !known.taken;
  }

  /**
   * The stream of that id that the guest writes.
   *
   * @throws CodedError `invalid_input` when it was taken before, or cannot be: no such id, too many streams
   */
  receive(id: number, watch: StreamWatch = {}): ReadableStream<Uint8Array> {
    const stream = this.mayReceive(id) ? this.#incomingOf(id) : null;
    if (stream === null) throw new CodedError('invalid_input', `stream ${id} cannot be read`);
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
          if (!stream.ended) this.#dropRest(id);
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
    if (body.length > CHANNEL_LIMITS.streamWindowBytes - stream.waiting.length) return false;
    if ((flags & FLAG.last) !== 0) stream.ended = true;
    if (stream.controller !== null && body.length > 0) {
      this.#give(id, stream, stream.controller, body);
      return true;
    }
    stream.waiting.push(body);
    this.#waitingBytes += body.length;
    if (this.#waitingBytes > MAX_WAITING_BYTES) this.#giveUp(id, stream, new Error('the reader was too slow'));
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

  /** Ends all streams while the guest lives on for a moment. */
  cutAll(reason: Error): void {
    for (const id of [...this.#outgoing.keys()]) this.end(id);
    for (const [id, stream] of [...this.#incoming]) {
      this.#giveUp(id, stream, reason);
      this.#hand(id, stream);
    }
  }

  /** Ends everything: the guest is gone. */
  close(reason: Error): void {
    for (const id of [...this.#outgoing.keys()]) this.#stop(id, reason);
    for (const [id, stream] of this.#incoming) {
      stream.error = reason;
      this.#discard(stream);
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

  #drop(id: number, stream: Incoming): void {
    this.#discard(stream);
    this.#forget(this.#incoming, id);
    stream.watch.onEnd?.();
  }

  /** Forgets what waits for the reader. */
  #discard({ waiting }: Incoming): void {
    this.#waitingBytes -= waiting.length;
    waiting.clear();
  }

  /** What still comes of that stream is dropped. */
  #dropRest(id: number): void {
    this.#cancelled.add(id);
    for (const oldest of this.#cancelled) {
      if (this.#cancelled.size <= MAX_CANCELLED) break;
      this.#cancelled.delete(oldest);
    }
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
      const waiting = new ByteQueue();
      stream = { controller: null, waiting, ended: false, error: null, taken: false, watch: {} };
      this.#incoming.set(id, stream);
    }
    return stream;
  }

  #hand(id: number, stream: Incoming): void {
    const { controller } = stream;
    if (controller === null) return;
    const waiting = stream.waiting.take();
    if (waiting !== null) {
      this.#waitingBytes -= waiting.length;
      this.#give(id, stream, controller, waiting);
    } else if (stream.error !== null) {
      this.#drop(id, stream);
      stream.watch.onBroken?.(stream.error);
      controller.error(stream.watch.onBroken === undefined ? stream.error : undefined);
    } else if (stream.ended) {
      this.#drop(id, stream);
      controller.close();
    }
  }

  #give(id: number, stream: Incoming, to: ReadableStreamDefaultController<Uint8Array>, bytes: Uint8Array): void {
    const over = stream.watch.onBytes?.(bytes.length) ?? null;
    if (over !== null) {
      this.#giveUp(id, stream, over);
      this.#hand(id, stream);
      return;
    }
    stream.controller = null;
    this.#send(KIND.credit, 0, id, `${bytes.length}`, null);
    to.enqueue(bytes);
  }
}

/** What the guest is told of a stream that breaks: a coded error it sees as it would see the refusal of a call. */
function abortHead(error: unknown): string {
  if (error instanceof CodedError) {
    return JSON.stringify({ code: error.code, message: error.message, extra: error.extra });
  }
  return JSON.stringify({ message: error instanceof Error ? error.message : String(error) });
}
