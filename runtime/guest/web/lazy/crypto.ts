import { domError, heavy } from '../heavy.ts';
import { ArrayBufferIsView, Bytes, MathMin, StringCharCodeAt, TypedArrayTag } from '../intrinsics.ts';
import { primitives } from '../runtime-hooks.ts';
import { exposeInterface } from './members.ts';

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

/** @throws TypeError for anything else: methods that were taken off their object do not work, as Web IDL has it */
function demandCrypto(self: unknown): void {
  if (!(self instanceof Crypto)) throw new TypeError('Illegal invocation');
}

/** `Crypto` of the Web Cryptography API. */
export class Crypto {
  constructor(...given: readonly unknown[]) {
    if (given[0] !== INTERNAL) throw new TypeError('Illegal constructor');
  }

  /** What needs a key, or takes its time: done by the process that holds the isolate (subtle.ts). */
  get subtle(): SubtleCrypto {
    demandCrypto(this);
    return heavy.subtle().subtle as unknown as SubtleCrypto;
  }

  /** Fills an integer array (at most 65,536 bytes) with strong random values. */
  getRandomValues<T extends ArrayBufferView>(array: T): T {
    demandCrypto(this);
    if (arguments.length === 0) throw new TypeError("Failed to execute 'getRandomValues': 1 argument required");
    const kind = TypedArrayTag(array);
    if (!ArrayBufferIsView(array) || !INTEGERS.includes(` ${kind} `)) {
      throw domError('The array is not an integer typed array', 'TypeMismatchError');
    }
    if (array.byteLength > MAX_BYTES) {
      const { QuotaExceededError } = heavy.domException();
      throw new QuotaExceededError(`${array.byteLength} bytes are more than the ${MAX_BYTES} of one call`);
    }
    fill(new Bytes(array.buffer as ArrayBuffer, array.byteOffset, array.byteLength));
    return array;
  }

  /** A random UUID (version 4, RFC 9562). */
  randomUUID(): string {
    demandCrypto(this);
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
exposeInterface(Crypto, 'Crypto');

export const crypto = new Crypto(INTERNAL);
