import { Bytes, BytesSubarray, ReflectApply, StringCharCodeAt, StringFromCharCode } from './intrinsics.ts';

/** Arguments that one call may spread; far below V8's limit. */
const CHUNK = 8192;

/** Bytes as text with one char (U+0000 to U+00FF) a byte: how binary data crosses to the core. */
export function encodeLatin1(bytes: Uint8Array): string {
  const { length } = bytes;
  if (length <= CHUNK) return ReflectApply(StringFromCharCode, null, bytes);
  let text = '';
  for (let at = 0; at < length; at += CHUNK) {
    text += ReflectApply(StringFromCharCode, null, BytesSubarray(bytes, at, at + CHUNK));
  }
  return text;
}

/** The bytes that `encodeLatin1` made the text from; chars above U+00FF lose their high byte. */
export function decodeLatin1(text: string): Uint8Array<ArrayBuffer> {
  const { length } = text;
  const bytes = new Bytes(length);
  for (let i = 0; i < length; i++) bytes[i] = StringCharCodeAt(text, i);
  return bytes;
}
