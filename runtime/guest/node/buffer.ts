import { Buffer, INSPECT_MAX_BYTES, kMaxLength, SlowBuffer } from 'buffer/';

/** V8 of 64 bits: 2^29 - 24 characters. */
const MAX_STRING_LENGTH = 0x1fffffe8;

type Encoding = unknown;
const isBase64Url = (encoding: Encoding): boolean =>
  typeof encoding === 'string' && (encoding === 'base64url' || encoding.toLowerCase() === 'base64url');
/** The library knows base64 alone, and reads both alphabets. */
const known = (encoding: Encoding): Encoding => (isBase64Url(encoding) ? 'base64' : encoding);

function addBase64Url(): void {
  const { isEncoding, byteLength, prototype } = Buffer;
  const { write, toString: read } = prototype as unknown as {
    write: (this: unknown, text: string, ...rest: unknown[]) => number;
    toString: (this: unknown, encoding?: Encoding, start?: number, end?: number) => string;
  };
  Buffer.isEncoding = ((encoding: string) => isBase64Url(encoding) || isEncoding(encoding)) as typeof isEncoding;
  Buffer.byteLength = ((value: string, encoding?: BufferEncoding) =>
    typeof value === 'string' && isBase64Url(encoding)
      ? Math.floor((value.replace(/=+$/, '').length * 3) / 4)
      : byteLength(value, encoding)) as typeof byteLength;
  Object.assign(prototype, {
    write(this: unknown, text: string, ...rest: unknown[]) {
      return write.call(this, text, ...rest.map(known));
    },
    toString(this: unknown, encoding?: Encoding, start?: number, end?: number) {
      const text = read.call(this, known(encoding), start, end);
      return isBase64Url(encoding) ? text.replaceAll('+', '-').replaceAll('/', '_').replace(/=+$/, '') : text;
    },
  });
  prototype.toLocaleString = prototype.toString;
}
addBase64Url();

/** Bytes of any view or buffer, not copied. */
function bytesOf(value: unknown): Uint8Array {
  if (value instanceof Uint8Array) return value;
  if (ArrayBuffer.isView(value)) return new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
  if (value instanceof ArrayBuffer) return new Uint8Array(value);
  throw new TypeError('The "input" argument must be an instance of ArrayBuffer, Buffer or TypedArray');
}

Buffer.copyBytesFrom = (view, offset = 0, length = view.length - offset) => {
  const bytes = bytesOf(view.slice(offset, offset + length));
  return Buffer.from(bytes);
};

function isAscii(input: unknown): boolean {
  return bytesOf(input).every((byte) => byte < 0x80);
}

function isUtf8(input: unknown): boolean {
  const bytes = bytesOf(input);
  const { utf8Decode } = require('../web/lazy/encoding.ts') as typeof import('../web/lazy/encoding.ts');
  // What is not well formed becomes U+FFFD: the text is then of other bytes.
  return Buffer.from(utf8Decode(bytes)).equals(bytes);
}

/** @throws RangeError for encodings that are not of text. */
function transcode(source: Uint8Array, from: BufferEncoding, to: BufferEncoding): Buffer {
  for (const encoding of [from, to]) {
    if (!/^(?:utf-?8|ucs-?2|utf-?16le|latin1|binary|ascii)$/i.test(encoding)) {
      throw new RangeError(`transcode: the encoding ${encoding} is not supported`);
    }
  }
  const text = Buffer.from(source).toString(from);
  const narrow = /^(?:latin1|binary|ascii)$/i.test(to);
  const most = /^ascii$/i.test(to) ? 0x7f : 0xff;
  return Buffer.from(narrow ? [...text].map((c) => ((c.codePointAt(0) ?? 0) > most ? '?' : c)).join('') : text, to);
}

/** `node:buffer`. */
const buffer = {
  Buffer,
  SlowBuffer,
  INSPECT_MAX_BYTES,
  kMaxLength,
  kStringMaxLength: MAX_STRING_LENGTH,
  constants: { MAX_LENGTH: kMaxLength, MAX_STRING_LENGTH },
  isAscii,
  isUtf8,
  transcode,
  atob: globalThis.atob,
  btoa: globalThis.btoa,
  // Parts of their own.
  get Blob() {
    return globalThis.Blob;
  },
  get File() {
    return globalThis.File;
  },
};

export { Buffer, buffer as 'module.exports' };
