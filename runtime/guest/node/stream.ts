import type { Duplex, Readable, Writable } from 'node:stream';
import stream from 'readable-stream/lib/stream.js';

const adapters = (): typeof import('./stream-adapters.ts') => require('./stream-adapters.ts');

type Pair = { readable: ReadableStream; writable: WritableStream };
/** Streams of the web as streams of Node and back, which readable-stream leaves to Node. */
Object.assign(stream.Readable, {
  fromWeb: (web: ReadableStream, options?: object) => adapters().readableFromWeb(web, options),
  toWeb: (readable: Readable) => adapters().readableToWeb(readable),
});
Object.assign(stream.Writable, {
  fromWeb: (web: WritableStream, options?: object) => adapters().writableFromWeb(web, options),
  toWeb: (writable: Writable) => adapters().writableToWeb(writable),
});
Object.assign(stream.Duplex, {
  fromWeb: ({ readable, writable }: Pair, options?: object) =>
    stream.Duplex.from({
      readable: adapters().readableFromWeb(readable, options),
      writable: adapters().writableFromWeb(writable, options),
    }),
  toWeb: (duplex: Duplex) => ({
    readable: adapters().readableToWeb(duplex),
    writable: adapters().writableToWeb(duplex),
  }),
});

export { stream as 'module.exports' };
