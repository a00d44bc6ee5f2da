import type { IncomingMessage } from 'node:http';
import { pipeline, Readable, type Transform } from 'node:stream';
import { createBrotliDecompress, createGunzip, createInflate, createZstdDecompress } from 'node:zlib';
import { CodedError } from '../_kit/errors.ts';

const DECODERS: Readonly<Record<string, () => Transform>> = {
  gzip: createGunzip,
  'x-gzip': createGunzip,
  deflate: createInflate,
  br: createBrotliDecompress,
  zstd: createZstdDecompress,
};

/**
 * The decoder for a Content-Encoding, or null when the body is passed on as it came.
 * @throws CodedError `network_failed` for codings on top of each other: a few bytes could keep the inner decoder busy
 */
export function decoderFor(contentEncoding: string | undefined): (() => Transform) | null {
  const codings = (contentEncoding ?? '')
    .split(',')
    .map((coding) => coding.trim().toLowerCase())
    .filter((coding) => coding !== '' && coding !== 'identity');
  if (codings.length > 1) {
    throw new CodedError('network_failed', 'The answer is encoded more than once', { reason: 'encoding' });
  }
  const [coding] = codings;
  return coding !== undefined && Object.hasOwn(DECODERS, coding) ? (DECODERS[coding] ?? null) : null;
}

export interface BodyOptions {
  readonly maxBytes: number;
  readonly idleMs: number;
  /** Ends the body; its reason is what the reader gets. */
  readonly signal: AbortSignal;
  readonly onReceived: (bytes: number) => void;
  /** Called once, when the body has ended in any way. */
  readonly onEnd: () => void;
  readonly failure: (error: unknown) => CodedError;
}

/** The body of an answer, decoded and under its caps; one `next` at a time. */
export interface BodyReader {
  /** The next chunk, or null at the end. */
  next(): Promise<Uint8Array | null>;
  /** Closes the connection when there is more to come. */
  stop(): void;
}

export function readBody(
  message: IncomingMessage,
  decoder: (() => Transform) | null,
  options: BodyOptions,
): BodyReader {
  const { maxBytes, idleMs, signal } = options;
  const tooLarge = new CodedError('network_failed', `The answer is larger than ${maxBytes} bytes`, { reason: 'size' });
  const received = counted(message, maxBytes, tooLarge, options.onReceived);
  const decoding = decoder?.() ?? null;
  const chunks = decoding ? decode(received, decoding) : received;
  let total = 0;
  let ended = false;

  const end = (): void => {
    if (ended) return;
    ended = true;
    signal.removeEventListener('abort', stop);
    options.onEnd();
  };
  const stop = (): void => {
    message.destroy();
    decoding?.destroy();
    end();
  };
  signal.addEventListener('abort', stop, { once: true });

  const take = async (): Promise<Uint8Array | null> => {
    signal.throwIfAborted();
    const { value, done } = await chunks.next();
    if (done) return null;
    total += value.byteLength;
    if (total > maxBytes) throw tooLarge;
    return value;
  };

  return {
    stop,
    async next() {
      let paused: CodedError | null = null;
      const timer = setTimeout(() => {
        paused = new CodedError('deadline_exceeded', `The answer paused for more than ${idleMs} ms`);
        stop();
      }, idleMs);
      try {
        const chunk = await take();
        // What was destroyed may look as if it had ended.
        if (paused) throw paused;
        signal.throwIfAborted();
        if (chunk === null) end();
        return chunk;
      } catch (error) {
        stop();
        throw signal.aborted ? signal.reason : (paused ?? options.failure(error));
      } finally {
        clearTimeout(timer);
      }
    },
  };
}

async function* counted(
  message: IncomingMessage,
  maxBytes: number,
  tooLarge: CodedError,
  onReceived: (bytes: number) => void,
): AsyncGenerator<Uint8Array> {
  let total = 0;
  for await (const chunk of message as AsyncIterable<Uint8Array>) {
    total += chunk.byteLength;
    onReceived(chunk.byteLength);
    if (total > maxBytes) throw tooLarge;
    yield chunk;
  }
}

function decode(source: AsyncGenerator<Uint8Array>, decoder: Transform): AsyncIterator<Uint8Array> {
  // The error reaches the reader through the iterator; the callback is what keeps it from being thrown besides.
  pipeline(Readable.from(source, { objectMode: false }), decoder, () => undefined);
  return (decoder as AsyncIterable<Uint8Array>)[Symbol.asyncIterator]();
}

/** A stream that reads when it is read, after the chunks that were read before. */
export function streamOf(
  reader: BodyReader,
  before: readonly Uint8Array[],
  signal: AbortSignal,
): ReadableStream<Uint8Array> {
  return new ReadableStream<Uint8Array>(
    {
      start(controller) {
        for (const chunk of before) controller.enqueue(chunk);
        signal.addEventListener('abort', () => controller.error(signal.reason), { once: true });
      },
      async pull(controller) {
        const chunk = await reader.next();
        if (signal.aborted) return;
        if (chunk === null) controller.close();
        else controller.enqueue(chunk);
      },
      cancel() {
        reader.stop();
      },
    },
    { highWaterMark: 0 },
  );
}
