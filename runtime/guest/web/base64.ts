import { domError } from './heavy.ts';
import { Bytes, StringCharCodeAt } from './intrinsics.ts';
import { decodeLatin1, encodeLatin1 } from './latin1.ts';

const { fromBase64 } = Bytes;
const toBase64 = Bytes.prototype.toBase64;

/**
 * `atob` of the HTML standard. V8's decoder takes the same texts as "forgiving-base64 decode": it skips the same
 * whitespace, wants either no padding or the right one, and drops left-over bits.
 *
 * @throws DOMException InvalidCharacterError
 */
export function atob(data: string): string {
  if (arguments.length === 0) throw new TypeError("Failed to execute 'atob': 1 argument required");
  let bytes: Uint8Array;
  try {
    bytes = Reflect.apply(fromBase64, Bytes, [`${data}`]);
  } catch {
    throw domError('The string to be decoded is not correctly encoded.', 'InvalidCharacterError');
  }
  return encodeLatin1(bytes);
}

/**
 * `btoa` of the HTML standard.
 *
 * @throws DOMException InvalidCharacterError when a char is above U+00FF.
 */
export function btoa(data: string): string {
  if (arguments.length === 0) throw new TypeError("Failed to execute 'btoa': 1 argument required");
  const text = `${data}`;
  for (let i = 0; i < text.length; i++) {
    if (StringCharCodeAt(text, i) > 255) {
      throw domError('The string to be encoded has characters above U+00FF.', 'InvalidCharacterError');
    }
  }
  return Reflect.apply(toBase64, decodeLatin1(text), []);
}
