import type { Readable, Writable } from 'node:stream';

type Done = (error?: Error | null) => void;
type Classes = Pick<typeof import('node:stream'), 'Readable' | 'Writable' | 'finished'>;

/** The module itself: it is evaluated when this is asked for. */
const classes = (): Classes => {
  const part: unknown = require('./stream.ts');
  return part as Classes;
};

export function readableFromWeb(web: ReadableStream, options: object = {}): Readable {
  const reader = web.getReader();
  const readable: Readable = new (classes().Readable)({
    ...options,
    read() {
      reader.read().then(
        ({ done, value }) => readable.push(done ? null : value),
        (error) => readable.destroy(error),
      );
    },
    destroy(error: Error | null, done: Done) {
      // A stream that has ended or failed has nothing to cancel.
      const end = () => done(error);
      reader.cancel(error).then(end, end);
    },
  });
  return readable;
}

export function readableToWeb(readable: Readable): ReadableStream {
  const { readableObjectMode: objects, readableHighWaterMark: highWaterMark } = readable;
  const size = (chunk: unknown) => (chunk instanceof Uint8Array && !objects ? chunk.byteLength : 1);
  readable.pause();
  return new ReadableStream(
    {
      start(controller) {
        readable.on('data', (chunk: unknown) => {
          controller.enqueue(chunk instanceof Uint8Array && !objects ? new Uint8Array(chunk) : chunk);
          if ((controller.desiredSize ?? 0) <= 0) readable.pause();
        });
        readable.pause();
        classes().finished(readable, { writable: false }, (error) => {
          if (error) controller.error(error);
          else controller.close();
        });
      },
      pull() {
        readable.resume();
      },
      cancel(reason) {
        readable.destroy(reason);
      },
    },
    { highWaterMark, size },
  );
}

export function writableFromWeb(web: WritableStream, options: object = {}): Writable {
  const writer = web.getWriter();
  return new (classes().Writable)({
    ...options,
    write(chunk: unknown, _encoding: string, done: Done) {
      writer.write(chunk).then(() => done(), done);
    },
    final(done: Done) {
      writer.close().then(() => done(), done);
    },
    destroy(error: Error | null, done: Done) {
      const end = () => done(error);
      if (error === null) end();
      else writer.abort(error).then(end, end);
    },
  });
}

export function writableToWeb(writable: Writable): WritableStream {
  const settle = (run: (done: Done) => void) =>
    new Promise<void>((resolve, reject) => run((error) => (error ? reject(error) : resolve())));
  return new WritableStream({
    start(controller) {
      writable.on('error', (error) => controller.error(error));
    },
    write: (chunk) => settle((done) => writable.write(chunk, done)),
    close: () => settle((done) => writable.end(done)),
    abort(reason) {
      writable.destroy(reason);
    },
  });
}
