import { copyBytes } from '../body-init.ts';
import { ArrayBufferIsView } from '../intrinsics.ts';
import { loaded } from '../loaded.ts';
import { streamOf } from '../payload-stream.ts';
import { utf8Decode, utf8Encode } from './encoding.ts';
import { exposeInterface } from './members.ts';

const INTERNAL: unique symbol = Symbol('internal');

/** A Blob of these bytes, which are not copied: the caller gives them away. */
export let blobOf: (bytes: Uint8Array<ArrayBuffer>, type: string) => Blob;
/** The bytes of a Blob, not to be changed; null for anything else. */
export let bytesOf: (value: object) => Uint8Array<ArrayBuffer> | null;

/** A type as the File API takes it: printable ASCII in lower case, or nothing. */
function cleanType(type: unknown): string {
  if (type === undefined) return '';
  const text = `${type}`;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code < 0x20 || code > 0x7e) return '';
  }
  return text.toLowerCase();
}

/** A part as Web IDL converts it: bytes stay what they are until all is converted, anything else is text. */
function partOf(value: unknown): object | string {
  if (typeof value === 'object' && value !== null) {
    if (ArrayBufferIsView(value) || value instanceof ArrayBuffer || bytesOf(value) !== null) return value;
  }
  return `${value}`;
}

function bytesOfPart(part: object | string, native: boolean): Uint8Array<ArrayBuffer> {
  if (typeof part === 'string') return utf8Encode(native ? part.replace(/\r\n?|\n/g, '\n') : part);
  return bytesOf(part) ?? (copyBytes(part) as Uint8Array<ArrayBuffer>);
}

/** Converts a `sequence<BlobPart>` of Web IDL: each part as the iterator gives it. @throws TypeError when it is none */
function partsOf(value: unknown): (object | string)[] {
  const parts: (object | string)[] = [];
  if (value === undefined) return parts;
  if ((typeof value !== 'object' && typeof value !== 'function') || value === null || !(Symbol.iterator in value)) {
    throw new TypeError("Failed to construct 'Blob': the parts are not a sequence");
  }
  for (const part of value as Iterable<unknown>) parts[parts.length] = partOf(part);
  return parts;
}

/** A dictionary of Web IDL. @throws TypeError for a primitive */
function dictionary<T extends object>(value: T | null | undefined): Partial<T> {
  if (value === undefined || value === null) return {};
  if (typeof value !== 'object' && typeof value !== 'function') throw new TypeError('The options are not an object');
  return value;
}

function concat(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const all = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

/** `Blob` of the File API, in the isolate's memory. */
export class Blob {
  #bytes: Uint8Array<ArrayBuffer>;
  #type: string;

  // The rest keeps `Blob.length` at the 0 of Web IDL.
  constructor(...args: [parts?: unknown, options?: unknown, token?: typeof INTERNAL]) {
    if (args[2] === INTERNAL) {
      this.#bytes = args[0] as Uint8Array<ArrayBuffer>;
      this.#type = args[1] as string;
      return;
    }
    const parts = partsOf(args[0]);
    const options = dictionary(args[1] as BlobPropertyBag | undefined);
    const endings: string = options.endings === undefined ? 'transparent' : `${options.endings}`;
    if (endings !== 'transparent' && endings !== 'native') {
      throw new TypeError(`Failed to construct 'Blob': "${endings}" is not a line ending`);
    }
    const { type } = options;
    this.#type = cleanType(type);
    this.#bytes = concat(parts.map((part) => bytesOfPart(part, endings === 'native')));
  }

  static {
    blobOf = (bytes, type) => new Blob(bytes, cleanType(type), INTERNAL);
    bytesOf = (value) => (#bytes in value ? (value as Blob).#bytes : null);
  }

  get size(): number {
    return this.#bytes.length;
  }

  get type(): string {
    return this.#type;
  }

  slice(
    start: number | undefined = undefined,
    end: number | undefined = undefined,
    contentType: string | undefined = undefined,
  ): Blob {
    const from = start === undefined ? 0 : clampInt(start);
    const to = end === undefined ? this.size : clampInt(end);
    return new Blob(this.#bytes.subarray(from, to), cleanType(contentType), INTERNAL);
  }

  async arrayBuffer(): Promise<ArrayBuffer> {
    return this.#bytes.slice().buffer;
  }

  async bytes(): Promise<Uint8Array<ArrayBuffer>> {
    return this.#bytes.slice();
  }

  async text(): Promise<string> {
    const text = utf8Decode(this.#bytes);
    return text.charCodeAt(0) === 0xfeff ? text.slice(1) : text;
  }

  stream(): ReadableStream<Uint8Array> {
    return streamOf(this.#bytes.slice());
  }
}
exposeInterface(Blob, 'Blob');

/** A `long long` with [Clamp] of Web IDL, within what an index can be: halves go to the even neighbour. */
function clampInt(value: unknown): number {
  const number = Math.min(Math.max(Number(value), -(2 ** 53)), 2 ** 53);
  if (Number.isNaN(number)) return 0;
  const rounded = Math.round(number);
  return rounded - number === 0.5 && rounded % 2 !== 0 ? rounded - 1 : rounded;
}

/** A `long long` of Web IDL, as far as a number is exact. */
function toInt(value: unknown): number {
  const number = Math.trunc(Number(value));
  return Number.isFinite(number) ? number + 0 : 0;
}

/** `File` of the File API. */
export class File extends Blob {
  readonly #name: string;
  readonly #lastModified: number;

  constructor(parts: unknown, name: string, ...[options]: [options?: FilePropertyBag]) {
    if (arguments.length < 2) throw new TypeError("Failed to construct 'File': 2 arguments required");
    super(parts, options);
    this.#name = `${name}`.toWellFormed();
    const { lastModified } = dictionary(options);
    this.#lastModified = lastModified === undefined ? Date.now() : toInt(lastModified);
  }

  get name(): string {
    return this.#name;
  }

  get lastModified(): number {
    return this.#lastModified;
  }
}
exposeInterface(File, 'File');

loaded.blob = { bytesOf };
