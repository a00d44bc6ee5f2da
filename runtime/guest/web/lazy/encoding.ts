import {
  TextDecoder as AnyTextDecoder,
  TextEncoder as AnyTextEncoder,
  TextEncoderStream as AnyTextEncoderStream,
  isomorphicDecode,
  labelToName,
  normalizeEncoding,
} from '@exodus/bytes/encoding-lite.js';
import { utf8fromStringLoose, utf8toStringLoose } from '@exodus/bytes/utf8.js';
import { heavy } from '../heavy.ts';
import { ArrayBufferIsView, Bytes, TypedArrayTag } from '../intrinsics.ts';
import { exposeInterface } from './members.ts';

export { isomorphicDecode, labelToName };

/** Encodings whose tables are a part of their own (multi-byte.ts). */
const MULTI_BYTE = new Set(['big5', 'euc-jp', 'euc-kr', 'gb18030', 'gbk', 'iso-2022-jp', 'shift_jis']);

type Source = ArrayBuffer | ArrayBufferView;
type Decode = (bytes: Uint8Array, stream: boolean) => string;

/** UTF-8 of a string; lone surrogates become U+FFFD. */
export const utf8Encode: (text: string) => Uint8Array<ArrayBuffer> = utf8fromStringLoose;

/** Text of UTF-8; what is not well formed becomes U+FFFD. A byte order mark stays. */
export const utf8Decode: (bytes: Uint8Array) => string = utf8toStringLoose;

/** The bytes of a buffer or of a view, in place. @throws TypeError for anything else */
function viewOf(source: unknown): Uint8Array {
  if (TypedArrayTag(source) === 'Uint8Array') return source as Uint8Array;
  if (ArrayBufferIsView(source)) return new Bytes(source.buffer as ArrayBuffer, source.byteOffset, source.byteLength);
  if (source instanceof ArrayBuffer) return source.detached ? new Bytes(0) : new Bytes(source);
  throw new TypeError('The bytes to decode are neither an ArrayBuffer nor a view of one');
}

/** A dictionary of Web IDL. @throws TypeError for a primitive */
function dictionary<T extends object>(value: T | null | undefined): Partial<T> {
  if (value === undefined || value === null) return {};
  if (typeof value !== 'object' && typeof value !== 'function') throw new TypeError('The options are not an object');
  return value;
}

/** `TextDecoder` of the Encoding standard. */
export class TextDecoder {
  readonly #encoding: string;
  readonly #fatal: boolean;
  readonly #ignoreBOM: boolean;
  readonly #decode: Decode;

  constructor(label: string = 'utf-8', options?: TextDecoderOptions) {
    const { fatal, ignoreBOM } = dictionary(options);
    const name = normalizeEncoding(`${label}`);
    if (name === null || name === 'replacement') throw new RangeError(`The encoding label "${label}" is not known`);
    this.#encoding = name;
    this.#fatal = !!fatal;
    this.#ignoreBOM = !!ignoreBOM;
    if (MULTI_BYTE.has(name)) {
      this.#decode = heavy.multiByte().createMultibyteDecoder(name, !this.#fatal);
    } else {
      const decoder = new AnyTextDecoder(name, { fatal: this.#fatal, ignoreBOM: this.#ignoreBOM });
      this.#decode = (bytes, stream) => decoder.decode(bytes, { stream });
    }
  }

  get encoding(): string {
    return this.#encoding;
  }
  get fatal(): boolean {
    return this.#fatal;
  }
  get ignoreBOM(): boolean {
    return this.#ignoreBOM;
  }

  decode(input: Source | undefined = undefined, options: TextDecodeOptions | undefined = undefined): string {
    const stream = !!dictionary(options).stream;
    return this.#decode(input === undefined ? new Bytes(0) : viewOf(input), stream);
  }
}
exposeInterface(TextDecoder, 'TextDecoder');

/** `TextEncoder` of the Encoding standard. */
export class TextEncoder {
  readonly #encoder = new AnyTextEncoder();

  get encoding(): string {
    return this.#encoder.encoding;
  }

  encode(input: string = ''): Uint8Array<ArrayBuffer> {
    return this.#encoder.encode(`${input}`);
  }

  encodeInto(source: string, destination: Uint8Array): TextEncoderEncodeIntoResult {
    if (arguments.length < 2) throw new TypeError("Failed to execute 'encodeInto': 2 arguments required");
    return this.#encoder.encodeInto(`${source}`, destination);
  }
}
exposeInterface(TextEncoder, 'TextEncoder');

/** `TextDecoderStream` of the Encoding standard. */
export class TextDecoderStream {
  readonly #decoder: TextDecoder;
  readonly #transform: { readonly readable: unknown; readonly writable: unknown };

  constructor(label: string = 'utf-8', options?: TextDecoderOptions) {
    const decoder = new TextDecoder(label, options);
    const { TransformStream } = heavy.streams();
    this.#decoder = decoder;
    this.#transform = new TransformStream<Source, string>({
      transform(chunk, controller) {
        const text = decoder.decode(viewOf(chunk) as Uint8Array<ArrayBuffer>, { stream: true });
        if (text !== '') controller.enqueue(text);
      },
      flush(controller) {
        const text = decoder.decode();
        if (text !== '') controller.enqueue(text);
      },
    });
  }

  get encoding(): string {
    return this.#decoder.encoding;
  }
  get fatal(): boolean {
    return this.#decoder.fatal;
  }
  get ignoreBOM(): boolean {
    return this.#decoder.ignoreBOM;
  }
  get readable(): ReadableStream<string> {
    return this.#transform.readable as ReadableStream<string>;
  }
  get writable(): WritableStream<BufferSource> {
    return this.#transform.writable as WritableStream<BufferSource>;
  }
}
exposeInterface(TextDecoderStream, 'TextDecoderStream');

/** `TextEncoderStream` of the Encoding standard. */
export class TextEncoderStream {
  readonly #stream = new AnyTextEncoderStream();

  get encoding(): string {
    return this.#stream.encoding;
  }
  get readable(): ReadableStream<Uint8Array<ArrayBuffer>> {
    return this.#stream.readable as ReadableStream<Uint8Array<ArrayBuffer>>;
  }
  get writable(): WritableStream<string> {
    return this.#stream.writable as WritableStream<string>;
  }
}
exposeInterface(TextEncoderStream, 'TextEncoderStream');
