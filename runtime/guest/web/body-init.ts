import { heavy } from './heavy.ts';
import {
  ArrayBufferIsView,
  Bytes,
  BytesSlice,
  StringIsWellFormed,
  StringToWellFormed,
  TypedArrayTag,
} from './intrinsics.ts';
import { loaded } from './loaded.ts';
import { noPayload, type Payload, textPayload } from './payload.ts';
import { isDisturbed, isStream } from './payload-stream.ts';

/** A body and the content type that goes with it. */
export interface Extracted {
  readonly payload: Payload;
  readonly type: string | null;
}

const TEXT = 'text/plain;charset=UTF-8';

/** A copy of the bytes of an ArrayBuffer or a view of one; null for anything else. */
export function copyBytes(value: object): Uint8Array<ArrayBuffer> | null {
  if (TypedArrayTag(value) === 'Uint8Array') return BytesSlice(value as Uint8Array);
  if (ArrayBufferIsView(value)) {
    return BytesSlice(new Bytes(value.buffer as ArrayBuffer, value.byteOffset, value.byteLength));
  }
  return value instanceof ArrayBuffer ? BytesSlice(new Bytes(value)) : null;
}

/**
 * "Extract a body" of the Fetch standard: what may be given to `new Response` or as `body` of a request.
 *
 * @throws TypeError for a stream that somebody reads or has read.
 */
export function extract(body: unknown): Extracted {
  if (typeof body === 'string') return { payload: textOf(body), type: TEXT };
  if (typeof body === 'object' && body !== null) {
    const bytes = copyBytes(body);
    if (bytes !== null) return { payload: { ...noPayload(), bytes }, type: null };
    if (isStream(body)) {
      if (body.locked || isDisturbed(body)) throw new TypeError('The body stream is locked or was read from');
      return { payload: { ...noPayload(), stream: body }, type: null };
    }
    const blob = loaded.blob?.bytesOf(body) ?? null;
    if (blob !== null) {
      const type = (body as Blob).type;
      // A copy: the reader of a body may change or move its bytes, and a Blob stays what it is.
      return { payload: { ...noPayload(), bytes: BytesSlice(blob) }, type: type === '' ? null : type };
    }
    if (loaded.url?.isSearchParams(body)) {
      return { payload: textPayload(`${body}`), type: 'application/x-www-form-urlencoded;charset=UTF-8' };
    }
    if (loaded.formData?.isFormData(body)) return heavy.multipart().encodeFormData(body);
  }
  return { payload: textOf(`${body}`), type: TEXT };
}

/** Characters of a text body: it is held twice while it is sent, and looked at here. What is larger is streamed. */
export const MAX_TEXT = 32 * 1024 * 1024;

function textOf(text: string): Payload {
  if (text.length > MAX_TEXT) throw new RangeError(`The body is longer than ${MAX_TEXT} characters: use a stream`);
  return textPayload(StringIsWellFormed(text) ? text : StringToWellFormed(text));
}
