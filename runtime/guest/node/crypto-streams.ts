import type { Transform } from 'node:stream';

/** What makes a stream of an object: its input goes through `update`, and its last output is what `end` gives. */
interface Streamed {
  update(chunk: unknown, encoding?: string): unknown;
}
type End = (of: never) => unknown;

const streams = new WeakMap<object, Transform>();

function streamOf(self: Streamed, end: End): Transform {
  const known = streams.get(self);
  if (known !== undefined) return known;
  const { Transform } = require('./stream.ts') as typeof import('node:stream');
  const give = (out: unknown): unknown => (out === self ? undefined : out);
  const attempt = (work: () => unknown, done: (error: Error | null, out?: unknown) => void): void => {
    let out: unknown;
    try {
      out = give(work());
    } catch (error) {
      done(error as Error);
      return;
    }
    done(null, out);
  };
  const stream = new Transform({
    transform: (chunk, encoding, done) => attempt(() => self.update(chunk, encoding), done),
    flush: (done) => attempt(() => end(self as never), done),
  });
  streams.set(self, stream);
  return stream;
}

const METHODS = (
  'addListener destroy emit end listenerCount listeners off on once pause pipe prependListener prependOnceListener read ' +
  'removeAllListeners removeListener resume setEncoding unpipe write'
).split(' ');
const PROPERTIES =
  'destroyed readable readableEnded readableFlowing writable writableEnded writableFinished _readableState _writableState'.split(
    ' ',
  );

/**
 * Makes the objects of a class streams as well. The stream is made at the first use as one: most are only updated, and
 * the module of streams is many times the size of this one.
 *
 * @param end gives the last output
 */
export function alsoStream(prototype: object, end: End): void {
  for (const name of METHODS) {
    const value = function (this: Streamed, ...args: unknown[]): unknown {
      const stream = streamOf(this, end) as unknown as Record<string, (...args: unknown[]) => unknown>;
      const answer = stream[name]?.(...args);
      return answer === (stream as unknown) ? this : answer;
    };
    Object.defineProperty(prototype, name, { value, writable: true, configurable: true });
  }
  for (const name of PROPERTIES) {
    const get = function (this: Streamed): unknown {
      return (streamOf(this, end) as unknown as Record<string, unknown>)[name];
    };
    Object.defineProperty(prototype, name, { get, configurable: true });
  }
  const iterate = function (this: Streamed): unknown {
    return streamOf(this, end)[Symbol.asyncIterator]();
  };
  Object.defineProperty(prototype, Symbol.asyncIterator, { value: iterate, writable: true, configurable: true });
}
