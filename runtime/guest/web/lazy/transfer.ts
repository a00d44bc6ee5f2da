import { heavy } from '../heavy.ts';
import { loaded } from '../loaded.ts';

type Clone = (value: unknown) => unknown;

/** What takes the place of something that is transferred: made while the message is, filled when nothing can fail any more. */
export interface Moving {
  readonly made: object;
  /** Moves the content, after which the old object is of no use; false when it was locked or moved already. */
  commit(): boolean;
}

function moveReadable(stream: ReadableStream, clone: Clone): Moving {
  let reader: ReadableStreamDefaultReader;
  const { ReadableStream } = heavy.streams();
  const made = new ReadableStream(
    {
      async pull(controller) {
        const { done, value } = await reader.read();
        if (done) {
          controller.close();
          return;
        }
        try {
          controller.enqueue(clone(value));
        } catch (error) {
          // Nobody waits for how the source takes it.
          reader.cancel(error).catch(() => undefined);
          throw error;
        }
      },
      cancel: (reason) => reader.cancel(clone(reason)),
    },
    { highWaterMark: 0 },
  );
  const commit = (): boolean => {
    if (stream.locked) return false;
    reader = stream.getReader();
    return true;
  };
  return { made, commit };
}

/** The rest of a stream, with each chunk as `clone` makes it. */
export function wrapReadable(stream: ReadableStream, clone: Clone): ReadableStream {
  const { made, commit } = moveReadable(stream, clone);
  commit();
  return made as ReadableStream;
}

/** Whether it is one of `type: 'bytes'`: the property is the library's own. */
export function isByteStream(stream: ReadableStream): boolean {
  const { _readableStreamController: controller } = stream as unknown as { _readableStreamController: object };
  return controller instanceof heavy.streams().ReadableByteStreamController;
}

function moveWritable(stream: WritableStream, clone: Clone): Moving {
  let writer: WritableStreamDefaultWriter;
  let controller: { error(reason: unknown): void };
  const { WritableStream } = heavy.streams();
  const made = new WritableStream({
    start(given) {
      controller = given;
    },
    async write(chunk) {
      await writer.ready;
      await writer.write(clone(chunk));
    },
    close: () => writer.close(),
    abort: (reason) => writer.abort(clone(reason)),
  });
  const commit = (): boolean => {
    if (stream.locked) return false;
    writer = stream.getWriter();
    writer.closed.catch((error: unknown) => controller.error(error));
    return true;
  };
  return { made, commit };
}

function moveTransform(stream: TransformStream, clone: Clone): Moving {
  const readable = moveReadable(stream.readable, clone);
  const writable = moveWritable(stream.writable, clone);
  const made = new (heavy.streams().TransformStream)();
  Object.defineProperty(made, 'readable', { value: readable.made });
  Object.defineProperty(made, 'writable', { value: writable.made });
  return {
    made,
    commit: () => !stream.readable.locked && !stream.writable.locked && readable.commit() && writable.commit(),
  };
}

function streamKind(value: object): 'readable' | 'writable' | 'transform' | null {
  // The properties are the library's own: without one its module need not be evaluated.
  if ('_readableStreamController' in value) return value instanceof heavy.streams().ReadableStream ? 'readable' : null;
  if ('_writableStreamController' in value) return value instanceof heavy.streams().WritableStream ? 'writable' : null;
  if ('_transformStreamController' in value) {
    return value instanceof heavy.streams().TransformStream ? 'transform' : null;
  }
  return null;
}

/**
 * Prepares the move of a port or a stream; null for anything else.
 *
 * @param clone makes the chunks that pass a moved stream the receiver's own
 */
export function prepareMove(value: object, clone: Clone): Moving | null {
  switch (streamKind(value)) {
    case 'readable':
      return moveReadable(value as ReadableStream, clone);
    case 'writable':
      return moveWritable(value as WritableStream, clone);
    case 'transform':
      return moveTransform(value as TransformStream, clone);
    default:
      return loaded.messagePort?.isPort(value) === true ? loaded.messagePort.prepareMove(value) : null;
  }
}
