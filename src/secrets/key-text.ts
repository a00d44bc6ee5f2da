export const KEY_BYTES = 32;
const BASE64 = /^[A-Za-z0-9+/_-]+={0,2}$/;

/** The key as files and the environment hold it. */
export function encodeKey(key: Uint8Array): string {
  return Buffer.from(key).toString('base64');
}

/** The key that a text holds (base64 or base64url), or what is wrong with the text, which is never shown. */
export function decodeKey(text: string): Uint8Array | string {
  const trimmed = text.trim();
  if (!BASE64.test(trimmed)) return 'it is not base64';
  const bytes = new Uint8Array(Buffer.from(trimmed, 'base64'));
  return bytes.length === KEY_BYTES ? bytes : `it has ${bytes.length} bytes`;
}
