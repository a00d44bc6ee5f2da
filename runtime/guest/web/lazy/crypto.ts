import { domError } from '../heavy.ts';
import { ArrayBufferIsView, Bytes, MathMin, StringCharCodeAt, TypedArrayTag } from '../intrinsics.ts';
import { tag } from '../lazy.ts';
import { primitives } from '../runtime-hooks.ts';

const INTERNAL: unique symbol = Symbol('internal');
/** Bytes that one call may ask for (Web Cryptography 10.1.1). */
const MAX_BYTES = 65_536;
/** Bytes that one request to the host brings: 256 UUIDs. */
const POOL_BYTES = 4096;

let pool = '';
let used = 0;

/** The next random byte; each is handed out once. */
function nextByte(): number {
  if (used >= pool.length) {
    pool = primitives().random(POOL_BYTES);
    used = 0;
  }
  return StringCharCodeAt(pool, used++);
}

function fill(bytes: Uint8Array): void {
  const { length } = bytes;
  if (length <= POOL_BYTES) {
    for (let i = 0; i < length; i++) bytes[i] = nextByte();
    return;
  }
  for (let at = 0; at < length; ) {
    const text = primitives().random(MathMin(length - at, MAX_BYTES));
    for (let i = 0; i < text.length; i++) bytes[at++] = StringCharCodeAt(text, i);
  }
}

/** The integer arrays that may be filled, by their tag. */
const INTEGERS =
  ' Int8Array Uint8Array Uint8ClampedArray Int16Array Uint16Array Int32Array Uint32Array BigInt64Array BigUint64Array ';

const HEX: string[] = [];
for (let i = 0; i < 256; i++) HEX[i] = (i + 256).toString(16).slice(1);
/** Where the hyphens of a UUID stand, by byte. */
const HYPHEN_BEFORE = 0b0000_0101_0101_0000;

/** `Crypto` of the Web Cryptography API; `subtle` is not part of it yet. */
export class Crypto {
  constructor(token?: typeof INTERNAL) {
    if (token !== INTERNAL) throw new TypeError('Illegal constructor');
  }

  /** Fills an integer array (at most 65,536 bytes) with strong random values. */
  getRandomValues<T extends ArrayBufferView>(array: T): T {
    const kind = TypedArrayTag(array);
    if (!ArrayBufferIsView(array) || !INTEGERS.includes(` ${kind} `)) {
      throw domError('The array is not an integer typed array', 'TypeMismatchError');
    }
    if (array.byteLength > MAX_BYTES) {
      throw domError(`${array.byteLength} bytes are more than the ${MAX_BYTES} of one call`, 'QuotaExceededError');
    }
    fill(new Bytes(array.buffer as ArrayBuffer, array.byteOffset, array.byteLength));
    return array;
  }

  /** A random UUID (version 4, RFC 9562). */
  randomUUID(): string {
    let uuid = '';
    for (let i = 0; i < 16; i++) {
      let byte = nextByte();
      if (i === 6) byte = (byte & 0x0f) | 0x40;
      else if (i === 8) byte = (byte & 0x3f) | 0x80;
      uuid += (HYPHEN_BEFORE >> i) & 1 ? `-${HEX[byte]}` : HEX[byte];
    }
    return uuid;
  }
}
tag(Crypto.prototype, 'Crypto');

export const crypto = new Crypto(INTERNAL);
