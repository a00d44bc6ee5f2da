import { createHash } from 'node:crypto';
import { CodedError } from '../../sandbox-apis/_kit/errors.ts';

export interface IntakeOptions {
  /** Bytes that have to come; null when only the end tells. */
  readonly size: number | null;
  readonly signal: AbortSignal;
  /** Waited for before bytes are handed on; what it throws ends the stream. */
  readonly onBytes: (bytes: number) => Promise<void>;
}

/** A content on its way to a backend: counted, digested, and cut where it may not go on. */
export class Intake {
  readonly stream: ReadableStream<Uint8Array>;
  readonly #hash = createHash('sha256');
  readonly #options: IntakeOptions;
  #bytes = 0;
  #ended = false;
  /** Why it was cut: what a backend makes of it says less. */
  failure: unknown = null;

  constructor(content: Uint8Array | ReadableStream<Uint8Array>, options: IntakeOptions) {
    this.#options = options;
    const source = content instanceof Uint8Array ? once(content) : content;
    const reader = source.getReader();
    const { signal } = options;
    const stop = (): void => void reader.cancel(signal.reason).catch(() => undefined);
    signal.addEventListener('abort', stop, { once: true });
    if (signal.aborted) stop();
    this.stream = new ReadableStream<Uint8Array>(
      {
        pull: async (controller) => {
          try {
            const chunk = await this.#take(reader);
            if (chunk !== null) return controller.enqueue(chunk);
            signal.removeEventListener('abort', stop);
            controller.close();
          } catch (error) {
            signal.removeEventListener('abort', stop);
            this.failure = error;
            // The writer is told by the answer to its call.
            reader.cancel(error).catch(() => undefined);
            throw error;
          }
        },
        cancel: (reason) => {
          signal.removeEventListener('abort', stop);
          return reader.cancel(reason);
        },
      },
      { highWaterMark: 0 },
    );
  }

  async #take(reader: ReadableStreamDefaultReader<Uint8Array>): Promise<Uint8Array | null> {
    const { size, signal, onBytes } = this.#options;
    const { done, value } = await readOf(reader);
    // What was cancelled looks as if it had ended.
    signal.throwIfAborted();
    if (done) {
      if (size !== null && this.#bytes < size) throw wrongLength('shorter');
      this.#ended = true;
      return null;
    }
    this.#bytes += value.length;
    if (size !== null && this.#bytes > size) throw wrongLength('longer');
    await onBytes(value.length);
    this.#hash.update(value);
    return value;
  }

  /** Size and digest of all that came; null unless it was read to its end. */
  result(): { readonly size: number; readonly sha256: string } | null {
    return this.#ended ? { size: this.#bytes, sha256: this.#hash.copy().digest('hex') } : null;
  }
}

function once(bytes: Uint8Array): ReadableStream<Uint8Array> {
  return new ReadableStream<Uint8Array>({
    start(controller) {
      if (bytes.length > 0) controller.enqueue(bytes);
      controller.close();
    },
  });
}

async function readOf(reader: ReadableStreamDefaultReader<Uint8Array>) {
  try {
    return await reader.read();
  } catch (error) {
    if (error instanceof CodedError) throw error;
    const why = error instanceof Error ? error.message : String(error);
    throw new CodedError('aborted', `The stream of the content failed: ${why}`);
  }
}

function wrongLength(how: string): CodedError {
  return new CodedError('invalid_input', `body: the stream is ${how} than the length that was declared`);
}
