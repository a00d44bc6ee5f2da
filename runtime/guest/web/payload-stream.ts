import { heavy } from './heavy.ts';
import { BytesSet, TypedArrayTag } from './intrinsics.ts';

/** A stream that gives these bytes once it is read. */
export function streamOf(bytes: Uint8Array<ArrayBuffer>): ReadableStream<Uint8Array> {
  const { ReadableStream } = heavy.streams();
  return new ReadableStream({
    type: 'bytes',
    pull(controller: ReadableByteStreamController) {
      if (bytes.length > 0) controller.enqueue(bytes);
      controller.close();
      controller.byobRequest?.respond(0);
    },
  }) as unknown as ReadableStream<Uint8Array>;
}

/** Two streams of one. Each gets chunks of its own, so that neither sees what the other does to them. */
export function branch(stream: ReadableStream<Uint8Array>): [ReadableStream<Uint8Array>, ReadableStream<Uint8Array>] {
  const [mine, theirs] = stream.tee();
  return [mine, heavy.structuredClone().clonedStream(theirs)];
}

/** The rest of a stream in a new one; the old one is locked from then on. */
export function passOn(stream: ReadableStream<Uint8Array>): ReadableStream<Uint8Array> {
  const { TransformStream } = heavy.streams();
  return stream.pipeThrough(new TransformStream() as unknown as TransformStream<Uint8Array, Uint8Array>);
}

/** What is left of a body that was read as a whole: closed, and locked for good. */
export function lockedStream(): ReadableStream<Uint8Array> {
  const stream = streamOf(new Uint8Array(0));
  stream.getReader();
  return stream;
}

/** Whether it was ever read or cancelled: the one thing that a stream does not tell by its public face. */
export function isDisturbed(stream: ReadableStream<Uint8Array>): boolean {
  return (stream as unknown as { _disturbed?: boolean })._disturbed === true;
}

export function isStream(value: object): value is ReadableStream<Uint8Array> {
  // A stream cannot exist before its module was evaluated; the property is the library's own.
  return '_readableStreamController' in value;
}

/** All bytes of a stream in one array. Rejects with a TypeError when a chunk is not a Uint8Array. */
export async function collect(stream: ReadableStream<Uint8Array>): Promise<Uint8Array<ArrayBuffer>> {
  const reader = stream.getReader();
  const chunks: Uint8Array[] = [];
  let length = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    if (TypedArrayTag(value) !== 'Uint8Array') {
      const error = new TypeError('The body stream gave a chunk that is not a Uint8Array');
      await reader.cancel(error);
      throw error;
    }
    chunks[chunks.length] = value;
    length += value.length;
  }
  const bytes = new Uint8Array(length);
  let at = 0;
  for (let i = 0; i < chunks.length; i++) {
    const chunk = chunks[i] as Uint8Array;
    BytesSet(bytes, chunk, at);
    at += chunk.length;
  }
  return bytes;
}
