import { copyBytes } from '../body-init.ts';
import { tag } from '../lazy.ts';
import { loaded } from '../loaded.ts';
import { streamOf } from '../payload-stream.ts';
import { utf8Decode, utf8Encode } from './encoding.ts';

const INTERNAL: unique symbol = Symbol('internal');

/** A Blob of these bytes, which are not copied: the caller gives them away. */
export let blobOf: (bytes: Uint8Array<ArrayBuffer>, type: string) => Blob;
/** The bytes of a Blob, not to be changed; null for anything else. */
export let bytesOf: (value: object) => Uint8Array<ArrayBuffer> | null;

/** A type as the File API takes it: printable ASCII in lower case, or nothing. */
function cleanType(type: unknown): string {
  const text = `${type ?? ''}`;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code < 0x20 || code > 0x7e) return '';
  }
  return text.toLowerCase();
}

function bytesOfPart(part: unknown, native: boolean): Uint8Array<ArrayBuffer> {
  if (typeof part === 'object' && part !== null) {
    const bytes = copyBytes(part) ?? bytesOf(part);
    if (bytes !== null) return bytes;
  }
  const text = `${part}`;
  return utf8Encode(native ? text.replace(/\r\n?|\n/g, '\n') : text);
}

function concat(parts: Uint8Array[]): Uint8Array<ArrayBuffer> {
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

  constructor(parts?: unknown, options?: BlobPropertyBag | typeof INTERNAL, bytes?: Uint8Array<ArrayBuffer>) {
    if (options === INTERNAL) {
      this.#bytes = bytes as Uint8Array<ArrayBuffer>;
      this.#type = parts as string;
      return;
    }
    if (parts !== undefined && (typeof parts !== 'object' || parts === null || !(Symbol.iterator in parts))) {
      throw new TypeError("Failed to construct 'Blob': the parts are not a sequence");
    }
    const endings = options?.endings ?? 'transparent';
    if (endings !== 'transparent' && endings !== 'native') {
      throw new TypeError(`Failed to construct 'Blob': "${endings}" is not a line ending`);
    }
    const all = [...((parts ?? []) as Iterable<unknown>)].map((part) => bytesOfPart(part, endings === 'native'));
    this.#bytes = concat(all);
    this.#type = cleanType(options?.type);
  }

  static {
    blobOf = (bytes, type) => new Blob(cleanType(type), INTERNAL, bytes);
    bytesOf = (value) => (#bytes in value ? (value as Blob).#bytes : null);
  }

  get size(): number {
    return this.#bytes.length;
  }

  get type(): string {
    return this.#type;
  }

  slice(start = 0, end = this.size, type = ''): Blob {
    return new Blob(cleanType(type), INTERNAL, this.#bytes.subarray(clampInt(start), clampInt(end)));
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
tag(Blob.prototype, 'Blob');

/** A `long long` with [Clamp] of Web IDL, within what an index can be. */
function clampInt(value: unknown): number {
  const number = Number(value);
  return Number.isNaN(number) ? 0 : Math.min(Math.max(Math.round(number), -(2 ** 53)), 2 ** 53);
}

/** `File` of the File API. */
export class File extends Blob {
  readonly #name: string;
  readonly #lastModified: number;

  constructor(parts: unknown, name: string, options?: FilePropertyBag) {
    if (arguments.length < 2) throw new TypeError("Failed to construct 'File': 2 arguments required");
    super(parts, options);
    this.#name = `${name}`.toWellFormed();
    const modified = options?.lastModified;
    this.#lastModified = modified === undefined ? Date.now() : Math.trunc(Number(modified)) || 0;
  }

  get name(): string {
    return this.#name;
  }

  get lastModified(): number {
    return this.#lastModified;
  }
}
tag(File.prototype, 'File');

loaded.blob = { bytesOf };
