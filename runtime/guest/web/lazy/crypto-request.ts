import type { CryptoReply } from '../../crypto-line.ts';
import { domError } from '../heavy.ts';
import {
  ArrayBufferIsView,
  Bytes,
  JsonParse,
  JsonStringify,
  ObjectSetPrototypeOf,
  StringIndexOf,
  StringSlice,
} from '../intrinsics.ts';
import { encodeLatin1 } from '../latin1.ts';
import { bareList } from '../lists.ts';
import { primitives } from '../runtime-hooks.ts';

type Fields = Record<string, unknown>;

/** The same without a prototype: a `toJSON` on that of all objects does not change what JSON makes of it. */
export function bare(fields: Fields): Fields {
  return ObjectSetPrototypeOf(fields, null) as Fields;
}

/** A view of the bytes of a BufferSource, none of a detached one; null for anything else. */
export function viewOf(value: unknown): Uint8Array | null {
  if (ArrayBufferIsView(value)) {
    const { buffer, byteOffset, byteLength } = value;
    return byteLength === 0 ? new Bytes(0) : new Bytes(buffer as ArrayBuffer, byteOffset, byteLength);
  }
  if (!(value instanceof ArrayBuffer)) return null;
  return value.byteLength === 0 ? new Bytes(0) : new Bytes(value);
}

/** A request to the host: JSON, in which byte strings are named by their number, and those one after the other. */
export class CryptoRequest {
  readonly #lengths = bareList<number>();
  #body = '';

  /** Takes a copy of the bytes; answers their number. */
  bytes(view: Uint8Array): number {
    const text = encodeLatin1(view);
    return this.latin1(text);
  }

  /** The same for bytes that are a text of one char each already. */
  latin1(text: string): number {
    const number = this.#lengths.length;
    this.#lengths[number] = text.length;
    this.#body += text;
    return number;
  }

  /** Asks the host, and waits. @throws DOMException, TypeError */
  async later(op: string, fields: Fields): Promise<CryptoReply> {
    const reply = await primitives().crypto.later(this.#head(op, fields), this.#body);
    if (reply.head.error !== undefined) throw errorOf(reply.head.error as Failure);
    return reply;
  }

  /** Asks the host, which answers at once. @throws what `later` throws */
  now(op: string, fields: Fields): CryptoReply {
    const text = primitives().crypto.now(this.#head(op, fields), this.#body);
    const end = StringIndexOf(text, '\n');
    const head = JsonParse(StringSlice(text, 0, end)) as CryptoReply['head'];
    if (head.error !== undefined) throw errorOf(head.error as Failure);
    return { head, body: StringSlice(text, end + 1) };
  }

  #head(op: string, fields: Fields): string {
    return JsonStringify(bare({ ...fields, op, parts: this.#lengths }));
  }
}

interface Failure {
  readonly name: string;
  readonly message: string;
  readonly code: string | null;
}

function errorOf({ name, message, code }: Failure): Error {
  const isOwn = name === 'TypeError' || name === 'RangeError' || name === 'Error';
  if (!isOwn && code === null) return domError(message, name);
  const error =
    name === 'TypeError'
      ? new TypeError(message)
      : name === 'RangeError'
        ? new RangeError(message)
        : new Error(message);
  return code === null ? error : Object.assign(error, { code });
}
