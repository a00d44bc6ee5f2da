import { heavy } from '../web/heavy.ts';
import { primitives } from '../web/runtime-hooks.ts';
import { queueMicrotask } from '../web/timers.ts';
import { Buffer, bytesOf, type Data, nodeError } from './crypto-host.ts';

/** Bytes that one request to the host brings. */
const CHUNK = 65_536;
const MAX_BYTES = 0x7fff_ffff;
/** `randomInt` gives less than this. */
const RANGE = 2 ** 48;

function outOfRange(what: string, range: string): RangeError {
  return nodeError(new RangeError(`The value of "${what}" is out of range. It must be ${range}`), 'ERR_OUT_OF_RANGE');
}

function fill(bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length; at += CHUNK) {
    const part = bytes.subarray(at, at + CHUNK);
    part.set(Buffer.from(primitives().random(part.length), 'latin1'));
  }
}

type Callback<T> = (error: Error | null, value: T) => void;

/** Gives the value to a callback, later, or answers it. */
function give<T>(value: T, callback?: Callback<T>): T | undefined {
  if (callback === undefined) return value;
  queueMicrotask(() => callback(null, value));
  return undefined;
}

export function randomBytes(size: number, callback?: Callback<Buffer>): Buffer | undefined {
  if (!(Number.isInteger(size) && size >= 0 && size <= MAX_BYTES)) throw outOfRange('size', `0 to ${MAX_BYTES}`);
  const bytes = Buffer.alloc(size);
  fill(bytes);
  return give(bytes, callback);
}

export function randomFillSync<T extends ArrayBuffer | ArrayBufferView>(buffer: T, offset = 0, size?: number): T {
  const bytes = bytesOf(buffer, 'buf');
  const width = 'BYTES_PER_ELEMENT' in buffer ? Number(buffer.BYTES_PER_ELEMENT) : 1;
  const from = offset * width;
  const to = size === undefined ? bytes.length : from + size * width;
  if (!(from >= 0 && from <= bytes.length)) throw outOfRange('offset', `0 to ${bytes.length}`);
  if (!(to >= from && to <= bytes.length)) throw outOfRange('size', `0 to ${bytes.length - from}`);
  fill(bytes.subarray(from, to));
  return buffer;
}

export function randomFill<T extends ArrayBuffer | ArrayBufferView>(buffer: T, ...rest: unknown[]): void {
  const callback = rest.pop() as Callback<T>;
  give(randomFillSync(buffer, ...(rest as [number?, number?])), callback);
}

export function randomInt(...given: unknown[]): number | undefined {
  const callback = typeof given.at(-1) === 'function' ? (given.pop() as Callback<number>) : undefined;
  const [min, max] = (given.length > 1 ? given : [0, given[0]]) as [number, number];
  if (!Number.isSafeInteger(min)) throw outOfRange('min', 'a safe integer');
  if (!(Number.isSafeInteger(max) && max > min)) throw outOfRange('max', 'a safe integer greater than "min"');
  const range = max - min;
  if (range > RANGE) throw outOfRange('max - min', `<= ${RANGE}`);
  // Of what would make some numbers likelier, another is drawn.
  const limit = RANGE - (RANGE % range);
  let drawn: number;
  do drawn = (randomBytes(6) as Buffer).readUIntBE(0, 6);
  while (drawn >= limit);
  return give(min + (drawn % range), callback);
}

export function randomUUID(): string {
  return heavy.crypto().crypto.randomUUID();
}

/** In a time that does not tell where they differ. @throws RangeError when they differ in length */
export function timingSafeEqual(first: Data, second: Data): boolean {
  const [a, b] = [bytesOf(first, 'buf1'), bytesOf(second, 'buf2')];
  if (a.length !== b.length) {
    throw nodeError(
      new RangeError('Input buffers must have the same byte length'),
      'ERR_CRYPTO_TIMING_SAFE_EQUAL_LENGTH',
    );
  }
  let difference = 0;
  for (let at = 0; at < a.length; at += 1) difference |= (a[at] as number) ^ (b[at] as number);
  return difference === 0;
}
