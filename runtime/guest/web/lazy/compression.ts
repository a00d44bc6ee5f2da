import { copyBytes } from '../body-init.ts';
import { heavy } from '../heavy.ts';
import { type Codec, compressor, decompressor, type Format, isFormat } from './codec.ts';
import { exposeInterface } from './members.ts';

interface Pair {
  readonly readable: ReadableStream<Uint8Array>;
  readonly writable: WritableStream<unknown>;
}

function bytesOf(chunk: unknown): Uint8Array {
  const bytes = typeof chunk === 'object' && chunk !== null ? copyBytes(chunk) : null;
  if (bytes === null) throw new TypeError('The chunk is neither an ArrayBuffer nor a view of one');
  return bytes;
}

/**
 * Both ends around a codec. Not a TransformStream: that would run a whole chunk at once, so that a bomb of a few bytes
 * fills the isolate before its reader took a piece.
 */
function pairOf(codec: Codec): Pair {
  const { ReadableStream, WritableStream } = heavy.streams();
  let output: ReadableStreamDefaultController<Uint8Array>;
  let input: WritableStreamDefaultController;
  let over = false;
  /** Set while the reader wants nothing; the work goes on when it is called. */
  let resume: (() => void) | null = null;
  let wanted = false;

  const wake = (): void => {
    wanted = true;
    resume?.();
    resume = null;
  };
  const demand = (): Promise<void> =>
    new Promise((resolve) => {
      if (wanted || over) resolve();
      else resume = resolve;
    });
  /** Works at the pace of the reader; an error is that of both ends. */
  const run = async (work: () => ReturnType<Codec['end']>): Promise<void> => {
    try {
      for (const piece of work()) {
        await demand();
        if (over) return;
        wanted = false;
        output.enqueue(piece);
      }
    } catch (error) {
      over = true;
      output.error(error);
      throw error;
    }
  };

  const readable = new ReadableStream<Uint8Array>(
    {
      start(controller) {
        output = controller as unknown as typeof output;
      },
      pull: wake,
      cancel(reason) {
        over = true;
        wake();
        input.error(reason);
      },
    },
    { highWaterMark: 0 },
  );
  const writable = new WritableStream<unknown>({
    start(controller) {
      input = controller as unknown as typeof input;
    },
    write: (chunk) => run(() => codec.push(bytesOf(chunk))),
    async close() {
      await run(codec.end);
      if (!over) output.close();
      over = true;
    },
    abort(reason) {
      over = true;
      wake();
      output.error(reason);
    },
  });
  return { readable, writable } as unknown as Pair;
}

function formatOf(format: unknown, name: string, given: number): Format {
  if (given === 0) throw new TypeError(`Failed to construct '${name}': 1 argument required`);
  const text = `${format}`;
  if (!isFormat(text)) throw new TypeError(`Failed to construct '${name}': "${text}" is not a compression format`);
  return text;
}

/** `CompressionStream` of the Compression standard: `deflate`, `deflate-raw` and `gzip`. */
export class CompressionStream {
  readonly #pair: Pair;

  constructor(format: string) {
    this.#pair = pairOf(compressor(formatOf(format, 'CompressionStream', arguments.length)));
  }

  get readable(): ReadableStream<Uint8Array> {
    return this.#pair.readable;
  }
  get writable(): WritableStream<unknown> {
    return this.#pair.writable;
  }
}
exposeInterface(CompressionStream, 'CompressionStream');

/** `DecompressionStream` of the Compression standard. */
export class DecompressionStream {
  readonly #pair: Pair;

  constructor(format: string) {
    this.#pair = pairOf(decompressor(formatOf(format, 'DecompressionStream', arguments.length)));
  }

  get readable(): ReadableStream<Uint8Array> {
    return this.#pair.readable;
  }
  get writable(): WritableStream<unknown> {
    return this.#pair.writable;
  }
}
exposeInterface(DecompressionStream, 'DecompressionStream');
