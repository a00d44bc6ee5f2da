import { CHANNEL_LIMITS } from './limits.ts';

/**
 * One frame, little endian:
 *
 *     u32 length of what follows | u8 kind | u8 flags | u16 lane | u32 isolate | u32 id | u32 head length | head | body
 *
 * The reader holds at most one frame; a length over the limit ends the channel before anything is allocated.
 */
export const HEADER_BYTES = 20;
const LENGTH_BYTES = 4;
const NOTHING = Buffer.alloc(0);

export interface Frame {
  readonly kind: number;
  readonly flags: number;
  readonly lane: number;
  readonly isolate: number;
  readonly id: number;
  /** UTF-8 JSON, or ''. */
  readonly head: string;
  /** A view of the read buffer: copy what is kept. */
  readonly body: Buffer;
}

export class FrameError extends Error {
  override readonly name = 'FrameError';
}

/** Cuts a byte stream into frames. `push` calls back for each whole frame and keeps the rest. */
export class FrameReader {
  /** The unfinished frame: so many bytes of it are there. Memory grows with what came, not with what was announced. */
  #partial = NOTHING;
  #held = 0;
  readonly #onFrame: (frame: Frame) => void;
  readonly #maxBytes: number;

  constructor(onFrame: (frame: Frame) => void, maxBytes: number = CHANNEL_LIMITS.frameBytes) {
    this.#onFrame = onFrame;
    this.#maxBytes = maxBytes;
  }

  /** Bytes of an unfinished frame that are held. */
  get pending(): number {
    return this.#held;
  }

  /** @throws FrameError on a frame that breaks the limits; the channel has to be closed then. */
  push(chunk: Buffer): void {
    let at = this.#held === 0 ? 0 : this.#finish(chunk);
    while (chunk.length - at >= LENGTH_BYTES) {
      const end = at + this.#frameBytes(chunk, at);
      if (end > chunk.length) break;
      this.#onFrame(readFrame(chunk, at, end));
      at = end;
    }
    // The chunk's memory is the socket's and is used again: keep a copy.
    if (at < chunk.length) this.#hold(chunk, at, chunk.length);
  }

  /** Adds to the unfinished frame what is its own; answers where the next one begins. */
  #finish(chunk: Buffer): number {
    let at = 0;
    if (this.#held < LENGTH_BYTES) {
      at = this.#hold(chunk, 0, LENGTH_BYTES - this.#held);
      if (this.#held < LENGTH_BYTES) return at;
    }
    const bytes = this.#frameBytes(this.#partial, 0);
    at = this.#hold(chunk, at, at + bytes - this.#held);
    if (this.#held < bytes) return at;
    const whole = this.#partial;
    this.#partial = NOTHING;
    this.#held = 0;
    this.#onFrame(readFrame(whole, 0, bytes));
    return at;
  }

  /** Keeps a part of the chunk, in memory that doubles: a frame that drips in is not copied again with every drop. */
  #hold(chunk: Buffer, from: number, to: number): number {
    const end = Math.min(to, chunk.length);
    const held = this.#held + end - from;
    if (held > this.#partial.length) {
      const room = Math.min(this.#partial.length * 2, LENGTH_BYTES + this.#maxBytes);
      const grown = Buffer.allocUnsafeSlow(Math.max(held, room));
      this.#partial.copy(grown, 0, 0, this.#held);
      this.#partial = grown;
    }
    chunk.copy(this.#partial, this.#held, from, end);
    this.#held = held;
    return end;
  }

  /** Bytes of the frame that begins there, its length included. */
  #frameBytes(buffer: Buffer, at: number): number {
    const length = buffer.readUInt32LE(at);
    if (length < HEADER_BYTES - LENGTH_BYTES || length > this.#maxBytes) {
      throw new FrameError(`frame of ${length} bytes`);
    }
    return LENGTH_BYTES + length;
  }
}

function readFrame(buffer: Buffer, at: number, end: number): Frame {
  const headLength = buffer.readUInt32LE(at + 16);
  const headStart = at + HEADER_BYTES;
  if (headLength > end - headStart) throw new FrameError(`head of ${headLength} bytes in a frame of ${end - at}`);
  return {
    kind: buffer[at + 4] as number,
    flags: buffer[at + 5] as number,
    lane: buffer.readUInt16LE(at + 6),
    isolate: buffer.readUInt32LE(at + 8),
    id: buffer.readUInt32LE(at + 12),
    head: headLength === 0 ? '' : buffer.toString('utf8', headStart, headStart + headLength),
    body: buffer.subarray(headStart + headLength, end),
  };
}

/** Collects frames into one buffer, so that a turn of the event loop ends in one write. */
export class FrameWriter {
  #buffer = Buffer.allocUnsafeSlow(65_536);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  add(
    kind: number,
    flags: number,
    lane: number,
    isolate: number,
    id: number,
    head: string,
    body: string | Uint8Array | null,
    bodyEncoding: 'utf8' | 'latin1' = 'utf8',
  ): void {
    const bodyRoom = body === null ? 0 : typeof body === 'string' ? body.length * 3 : body.length;
    this.#reserve(HEADER_BYTES + head.length * 3 + bodyRoom);
    const buffer = this.#buffer;
    const start = this.#length;
    let at = start + HEADER_BYTES;
    const headLength = head === '' ? 0 : buffer.write(head, at, 'utf8');
    at += headLength;
    if (typeof body === 'string') {
      if (body !== '') at += buffer.write(body, at, bodyEncoding);
    } else if (body !== null) {
      buffer.set(body, at);
      at += body.length;
    }
    buffer.writeUInt32LE(at - start - 4, start);
    buffer[start + 4] = kind;
    buffer[start + 5] = flags;
    buffer.writeUInt16LE(lane, start + 6);
    buffer.writeUInt32LE(isolate, start + 8);
    buffer.writeUInt32LE(id, start + 12);
    buffer.writeUInt32LE(headLength, start + 16);
    this.#length = at;
  }

  /** What was collected; the writer goes on with the same memory, so write it out before the next `add`. */
  peek(): Buffer {
    return this.#buffer.subarray(0, this.#length);
  }

  /** Starts over in the same memory. */
  reset(): void {
    this.#length = 0;
    if (this.#buffer.length > 4_194_304) this.#buffer = Buffer.allocUnsafeSlow(65_536);
  }

  /** Hands the memory over (its write is still under way) and goes on with new. */
  detach(): Buffer {
    const taken = this.#buffer.subarray(0, this.#length);
    this.#buffer = Buffer.allocUnsafeSlow(65_536);
    this.#length = 0;
    return taken;
  }

  #reserve(bytes: number): void {
    if (this.#buffer.length - this.#length >= bytes) return;
    const grown = Buffer.allocUnsafeSlow(Math.max(this.#buffer.length * 2, this.#length + bytes));
    this.#buffer.copy(grown, 0, 0, this.#length);
    this.#buffer = grown;
  }
}
