import {
  Z_BUF_ERROR,
  Z_DEFAULT_STRATEGY,
  Z_FINISH,
  Z_NO_FLUSH,
  Z_OK,
  Z_STREAM_END,
  ZStream,
  zlibDeflate,
  zlibDeflateInit2,
  zlibInflate,
  zlibInflateInit2,
} from 'pako';

/** Bytes of one piece of output: a bomb is unpacked piece by piece, no quicker than its reader takes it. */
const PIECE = 64 * 1024;

/** What zlib takes by default, and browsers with it: the level, the method (deflate is the only one) and its memory. */
const LEVEL = 6;
const DEFLATED = 8;
const MEMORY_LEVEL = 8;

/** zlib's `windowBits`: negative is raw, and 16 more is gzip. */
const WINDOW_BITS = { deflate: 15, 'deflate-raw': -15, gzip: 31 } as const;

export type Format = keyof typeof WINDOW_BITS;
type Pieces = Generator<Uint8Array<ArrayBuffer>, void>;

/** Work on one stream; the output comes piece by piece, as it is asked for. */
export interface Codec {
  push(input: Uint8Array): Pieces;
  end(): Pieces;
}

export function isFormat(text: string): text is Format {
  return Object.hasOwn(WINDOW_BITS, text);
}

function streamOf(input: Uint8Array): ZStream {
  const stream = new ZStream();
  stream.output = new Uint8Array(PIECE);
  feed(stream, input);
  return stream;
}

function feed(stream: ZStream, input: Uint8Array): void {
  stream.input = input;
  stream.next_in = 0;
  stream.avail_in = input.length;
}

/** Runs zlib with an empty piece of output. */
function step(stream: ZStream, run: (stream: ZStream) => number): number {
  stream.next_out = 0;
  stream.avail_out = PIECE;
  return run(stream);
}

const NOTHING = new Uint8Array(0);

export function compressor(format: Format): Codec {
  const stream = streamOf(NOTHING);
  zlibDeflateInit2(stream, LEVEL, DEFLATED, WINDOW_BITS[format], MEMORY_LEVEL, Z_DEFAULT_STRATEGY);
  function* run(input: Uint8Array, flush: typeof Z_NO_FLUSH | typeof Z_FINISH): Pieces {
    feed(stream, input);
    do {
      step(stream, () => zlibDeflate(stream, flush));
      if (stream.next_out > 0) yield stream.output.slice(0, stream.next_out);
    } while (stream.avail_out === 0);
  }
  return { push: (input) => run(input, Z_NO_FLUSH), end: () => run(NOTHING, Z_FINISH) };
}

/** Both throw a TypeError for data that is damaged, goes on after its end, or stops before it. */
export function decompressor(format: Format): Codec {
  const stream = streamOf(NOTHING);
  zlibInflateInit2(stream, WINDOW_BITS[format]);
  let ended = false;
  return {
    *push(input) {
      feed(stream, input);
      // zlib may hold more than fits a piece after it has taken all of the input.
      for (let more = input.length > 0; more && !ended; more = stream.avail_in > 0 || stream.avail_out === 0) {
        const status = step(stream, () => zlibInflate(stream, Z_NO_FLUSH));
        ended = status === Z_STREAM_END;
        if (!ended && status !== Z_OK && status !== Z_BUF_ERROR) {
          throw new TypeError(`The ${format} data is damaged: ${stream.msg}`);
        }
        if (stream.next_out > 0) yield stream.output.slice(0, stream.next_out);
      }
      if (stream.avail_in > 0) throw new TypeError(`The ${format} data goes on after its end`);
    },
    // biome-ignore lint/correctness/useYield: there is nothing left to unpack
    *end() {
      if (!ended) throw new TypeError(`The ${format} data ends too early`);
    },
  };
}
