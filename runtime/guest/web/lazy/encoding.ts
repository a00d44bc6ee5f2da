import {
  TextDecoder as AnyTextDecoder,
  isomorphicDecode,
  labelToName,
  normalizeEncoding,
  TextDecoderStream,
  TextEncoder,
  TextEncoderStream,
} from '@exodus/bytes/encoding-lite.js';
import { utf8fromStringLoose, utf8toStringLoose } from '@exodus/bytes/utf8.js';

export { isomorphicDecode, labelToName, TextDecoderStream, TextEncoder, TextEncoderStream };

/** Their tables are 150 KB that every isolate would carry; a plugin that needs one bundles a library for it. */
const LEFT_OUT = new Set(['big5', 'euc-jp', 'euc-kr', 'gb18030', 'gbk', 'iso-2022-jp', 'shift_jis']);

/** `TextDecoder` of the Encoding standard, without the multi-byte encodings of East Asia (a RangeError). */
export class TextDecoder extends AnyTextDecoder {
  constructor(label: string = 'utf-8', options: TextDecoderOptions = {}) {
    const name = normalizeEncoding(`${label}`);
    if (name !== null && LEFT_OUT.has(name)) throw new RangeError(`The encoding "${name}" is not provided here`);
    super(`${label}`, options);
  }
}

/** UTF-8 of a string; lone surrogates become U+FFFD. */
export const utf8Encode: (text: string) => Uint8Array<ArrayBuffer> = utf8fromStringLoose;

/** Text of UTF-8; what is not well formed becomes U+FFFD. A byte order mark stays. */
export const utf8Decode: (bytes: Uint8Array) => string = utf8toStringLoose;
