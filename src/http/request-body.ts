import { CHANNEL_LIMITS } from '../../runtime/protocol/limits.ts';
import { readLimited, tooLarge } from './json-body.ts';

/** Bytes of a request body that are read before the handler runs; a longer one, or one of unknown length, is streamed. */
const INLINE_REQUEST_BYTES = CHANNEL_LIMITS.inlineBodyBytes;
/** Bytes of a request body in all. */
const MAX_REQUEST_BYTES = 1024 * 1024 * 1024;

export interface RequestBody {
  readonly bytes: Uint8Array | null;
  readonly stream: ReadableStream<Uint8Array> | null;
}

export const NO_BODY: RequestBody = { bytes: null, stream: null };

/** Small bodies of known length travel with the request; others are streamed, unless they have to be checked first. */
export async function readBody(request: Request, whole: boolean): Promise<RequestBody> {
  const { method } = request;
  if (method === 'GET' || method === 'HEAD' || request.body === null) return { bytes: null, stream: null };
  const declared = request.headers.get('content-length');
  const length = declared === null ? null : Number(declared);
  if (length !== null && length > MAX_REQUEST_BYTES) throw tooLarge(MAX_REQUEST_BYTES);
  if (length !== null && length <= INLINE_REQUEST_BYTES) {
    return { bytes: new Uint8Array(await request.arrayBuffer()), stream: null };
  }
  if (!whole) return { bytes: null, stream: request.body };
  if (length !== null) throw tooLarge(INLINE_REQUEST_BYTES);
  return { bytes: await readLimited(request.body, INLINE_REQUEST_BYTES), stream: null };
}
