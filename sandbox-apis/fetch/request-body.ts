import { CodedError } from '../_kit/errors.ts';

/** What is sent: bytes may be sent again (redirects, retries), a stream only once. */
export type RequestBody =
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array }
  | { readonly kind: 'stream'; readonly stream: ReadableStream<Uint8Array>; readonly length: number | null };

/** Bytes that will be sent, or null when only the end of the stream tells. */
export function lengthOf(body: RequestBody): number | null {
  return body.kind === 'bytes' ? body.bytes.byteLength : body.length;
}

/** Where the chunks come from; `cancel` also ends a `read` that waits. */
export interface BodySource {
  read(): Promise<Uint8Array | null>;
  cancel(): void;
}

/** Opens the body; a stream is locked from here on. */
export function openBody(body: RequestBody): BodySource {
  if (body.kind === 'bytes') {
    let rest: Uint8Array | null = body.bytes;
    const read = async (): Promise<Uint8Array | null> => {
      const chunk = rest;
      rest = null;
      return chunk;
    };
    return { read, cancel: () => undefined };
  }
  const reader = body.stream.getReader();
  return {
    read: async () => {
      const { done, value } = await reader.read();
      return done ? null : value;
    },
    // The writer is the guest; that its own `cancel` failed is its business.
    cancel: () => void reader.cancel().catch(() => undefined),
  };
}

/**
 * The chunks to send, counted. A declared length is kept to the byte: on a connection that is used again, what is over
 * would be read as the next request.
 * @throws CodedError `quota_exceeded` over `maxBytes`, `invalid_input` when the length was not true, `network_failed` when
 * the guest's stream failed
 */
export async function* chunksOf(
  source: BodySource,
  length: number | null,
  maxBytes: number,
  onBytes: (bytes: number) => void,
): AsyncGenerator<Uint8Array> {
  let sent = 0;
  for (let chunk = await readOf(source); chunk !== null; chunk = await readOf(source)) {
    sent += chunk.byteLength;
    if (length !== null && sent > length) {
      throw new CodedError('invalid_input', 'body: the stream is longer than the length that was declared');
    }
    if (sent > maxBytes) {
      throw new CodedError('quota_exceeded', `body: at most ${maxBytes} bytes are sent in one request`);
    }
    onBytes(chunk.byteLength);
    yield chunk;
  }
  if (length !== null && sent < length) {
    throw new CodedError('invalid_input', 'body: the stream is shorter than the length that was declared');
  }
}

async function readOf(source: BodySource): Promise<Uint8Array | null> {
  try {
    return await source.read();
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new CodedError('network_failed', `The stream of the request body failed: ${why}`, { reason: 'body' });
  }
}

/** Tells a writer that nobody will read what it has not sent yet. */
export function discard(body: RequestBody | null): void {
  if (body?.kind !== 'stream' || body.stream.locked) return;
  // The writer is the guest; that its own `cancel` failed is its business.
  body.stream.cancel().catch(() => undefined);
}
