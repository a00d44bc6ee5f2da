import { createHash, type Hash } from 'node:crypto';
import { CodedError } from '../../sandbox-apis/_kit/errors.ts';

export interface OutletOptions {
  /** Bytes that have to come. */
  readonly size: number;
  /** Digest that they have to have, in hexadecimal; null for a part, of which none is known. */
  readonly sha256: string | null;
  /** Milliseconds that it waits for its reader before it ends. */
  readonly idleMs: number;
  /** Told what was wrong with the blob; answers what the reader gets. */
  readonly onDamage: (what: string) => CodedError;
  /** Called once, when it is over, however it ended. */
  readonly onEnd: () => void;
}

/**
 * A blob on its way to a reader: checked as it passes. The last piece is held back until the whole is known to be right, so
 * that nobody takes what is damaged for the file.
 */
export function outletOf(source: ReadableStream<Uint8Array>, options: OutletOptions): ReadableStream<Uint8Array> {
  const { size, sha256, idleMs, onDamage, onEnd } = options;
  const reader = source.getReader();
  const hash = sha256 === null ? null : createHash('sha256');
  let held: Uint8Array | null = null;
  let bytes = 0;
  let ended = false;
  let timer: Timer | null = null;

  const over = (): void => {
    if (timer !== null) clearTimeout(timer);
    onEnd();
  };
  /** The next piece that may go out; null at the end. */
  const next = async (): Promise<Uint8Array | null> => {
    for (;;) {
      if (ended) return null;
      const { done, value } = await reader.read();
      if (done) {
        const wrong = damage(bytes, size, hash, sha256);
        if (wrong !== null) throw onDamage(wrong);
        ended = true;
        return held;
      }
      bytes += value.length;
      if (bytes > size) throw onDamage(`it is longer than ${size} bytes`);
      hash?.update(value);
      const ready = held;
      held = value;
      if (ready !== null) return ready;
    }
  };

  const wait = (controller: ReadableStreamDefaultController<Uint8Array>): void => {
    timer = setTimeout(() => {
      const late = new CodedError('deadline_exceeded', `The content was not read on for ${idleMs} ms`);
      controller.error(late);
      reader.cancel(late).catch(() => undefined);
      over();
    }, idleMs);
  };

  return new ReadableStream<Uint8Array>(
    {
      start: wait,
      async pull(controller) {
        if (timer !== null) clearTimeout(timer);
        try {
          const piece = await next();
          if (piece === null) {
            over();
            controller.close();
            return;
          }
          controller.enqueue(piece);
          wait(controller);
        } catch (error) {
          reader.cancel(error).catch(() => undefined);
          over();
          throw error;
        }
      },
      cancel(reason) {
        over();
        return reader.cancel(reason);
      },
    },
    { highWaterMark: 0 },
  );
}

function damage(bytes: number, size: number, hash: Hash | null, sha256: string | null): string | null {
  if (bytes !== size) return `it has ${bytes} bytes in place of ${size}`;
  return hash !== null && hash.digest('hex') !== sha256 ? 'its digest is another' : null;
}
