import { encodeLatin1 } from '../web/latin1.ts';
import { bare, CryptoRequest, viewOf } from '../web/lazy/subtle.ts';
import { queueMicrotask } from '../web/timers.ts';
import { Buffer } from './buffer.ts';

export { Buffer, bare, CryptoRequest };

/** Bytes, or text in an encoding of Buffer's. */
export type Data = string | ArrayBuffer | ArrayBufferView;
export type Fields = Record<string, unknown>;
/** Adds to a request what a key, a cipher or the like is made of. */
export type Spec = (request: CryptoRequest) => Fields;

/** An error as Node has it. */
export function nodeError<E extends Error>(error: E, code: string): E {
  return Object.assign(error, { code });
}

/** @throws TypeError ERR_INVALID_ARG_TYPE */
export function bytesOf(data: unknown, what: string, encoding?: unknown): Uint8Array {
  if (typeof data === 'string') return Buffer.from(data, (encoding === 'buffer' ? 'utf8' : encoding) as BufferEncoding);
  const view = viewOf(data);
  if (view !== null) return view;
  const kinds = 'of type string or an instance of ArrayBuffer, Buffer, TypedArray, or DataView';
  throw nodeError(new TypeError(`The "${what}" argument must be ${kinds}`), 'ERR_INVALID_ARG_TYPE');
}

/** One char a byte, as what is asked of the host. */
export function latin1Of(data: unknown, what: string, encoding?: unknown): string {
  return encodeLatin1(bytesOf(data, what, encoding));
}

/** What the host gave, as a Buffer or in an encoding of it. */
export function output(latin1: string, encoding?: unknown): string | Buffer {
  const buffer = Buffer.from(latin1, 'latin1');
  return encoding === undefined || encoding === null || encoding === 'buffer'
    ? buffer
    : buffer.toString(encoding as BufferEncoding);
}

type Done<T> = (error: Error | null, ...values: T[]) => void;

/** @throws TypeError ERR_INVALID_ARG_TYPE unless it is a function */
export function assertCallback<T>(callback: unknown): asserts callback is Done<T> {
  if (typeof callback === 'function') return;
  throw nodeError(new TypeError('The "callback" argument must be of type function'), 'ERR_INVALID_ARG_TYPE');
}

/** Calls back as Node does, outside of any promise: what the callback throws is nobody's rejection. */
export function callBack<T>(work: Promise<readonly T[]>, callback: Done<T>): void {
  work.then(
    (values) => queueMicrotask(() => callback(null, ...values)),
    (error: Error) => queueMicrotask(() => callback(error)),
  );
}

/** Bytes that one request carries; larger input goes in pieces. */
const PIECE = 1024 * 1024;

/** A hash, cipher or signature that the host makes; one that takes no more than a piece is made in one go. */
export class HostStream {
  readonly #spec: Spec;
  #pending = '';
  #handle: number | null = null;

  constructor(spec: Spec) {
    this.#spec = spec;
  }

  /** Takes input whose output nobody waits for. */
  push(latin1: string): void {
    this.#pending += latin1;
    while (this.#pending.length > PIECE) {
      this.#send(this.#pending.slice(0, PIECE));
      this.#pending = this.#pending.slice(PIECE);
    }
  }

  /** Takes input, and gives what comes of it. */
  through(latin1: string): string {
    let out = '';
    for (let at = 0; at < latin1.length; at += PIECE) out += this.#send(latin1.slice(at, at + PIECE));
    return out;
  }

  /** The last output, and whatever belongs to it. */
  finish(last: Spec = () => ({})): { readonly head: Fields; readonly body: string } {
    const request = new CryptoRequest();
    if (this.#handle === null) {
      const fields = { stream: bare(this.#spec(request)), data: request.latin1(this.#pending), ...last(request) };
      return request.now('whole', fields);
    }
    if (this.#pending !== '') this.#send(this.#pending);
    return request.now('finish', { handle: this.#handle, ...last(request) });
  }

  /** Another that has taken the same input. */
  copy(): HostStream {
    const copy = new HostStream(this.#spec);
    copy.#pending = this.#pending;
    if (this.#handle !== null) copy.#handle = this.#ask('copy', { handle: this.#handle });
    return copy;
  }

  #send(piece: string): string {
    const request = new CryptoRequest();
    const data = request.latin1(piece);
    if (this.#handle !== null) return request.now('update', { handle: this.#handle, data }).body;
    const { head, body } = request.now('open', { stream: bare(this.#spec(request)), data });
    this.#handle = head.handle as number;
    return body;
  }

  #ask(op: string, fields: Fields): number {
    return new CryptoRequest().now(op, fields).head.handle as number;
  }
}

let names: { readonly hashes: string[]; readonly ciphers: string[]; readonly curves: string[] } | null = null;

/** What the host's OpenSSL knows by name. */
export function hostNames(): NonNullable<typeof names> {
  names ??= new CryptoRequest().now('names', {}).head as unknown as NonNullable<typeof names>;
  return names;
}
