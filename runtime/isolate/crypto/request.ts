import { Refusal } from './errors.ts';
import { CRYPTO_LIMITS } from './limits.ts';

type Fields = Readonly<Record<string, unknown>>;

/**
 * What a guest asks for: JSON and byte strings, which the JSON names by their number. All of it is hostile: every reader
 * checks the kind and the size of what it gives.
 */
export class Request {
  readonly op: string;
  readonly #fields: Fields;
  readonly #parts: readonly Buffer[];

  private constructor(fields: Fields, parts: readonly Buffer[]) {
    this.#fields = fields;
    this.#parts = parts;
    this.op = this.text('op', 40);
  }

  /**
   * @param head JSON; its `parts` are the lengths of the byte strings
   * @param body one char a byte
   * @throws Refusal when it is not of that form
   */
  static read(head: string, body: string, maxBytes: number): Request {
    if (head.length > CRYPTO_LIMITS.headChars) throw malformed('the request is too long');
    if (body.length > maxBytes) {
      throw new Refusal('OperationError', `An operation takes at most ${maxBytes} bytes at once here`);
    }
    const fields: unknown = parse(head);
    if (!isFields(fields)) throw malformed('the request is no object');
    const lengths = own(fields, 'parts') ?? [];
    if (!Array.isArray(lengths) || lengths.length > CRYPTO_LIMITS.parts) throw malformed('too many parts');
    const bytes = Buffer.from(body, 'latin1');
    const parts: Buffer[] = [];
    let at = 0;
    for (const length of lengths as unknown[]) {
      if (!isCount(length) || at + length > bytes.length) throw malformed('the parts do not add up');
      parts.push(bytes.subarray(at, at + length));
      at += length;
    }
    if (at !== bytes.length) throw malformed('the parts do not add up');
    return new Request(fields, parts);
  }

  has(name: string): boolean {
    return own(this.#fields, name) !== undefined && own(this.#fields, name) !== null;
  }

  text(name: string, maxChars: number): string {
    const value = own(this.#fields, name);
    if (typeof value !== 'string' || value.length > maxChars) throw malformed(`${name} is not a text`);
    return value;
  }

  flag(name: string): boolean {
    return own(this.#fields, name) === true;
  }

  integer(name: string, max: number): number {
    const value = own(this.#fields, name);
    if (!isCount(value) || value > max) throw malformed(`${name} is not a number up to ${max}`);
    return value;
  }

  bytes(name: string): Buffer {
    const part = own(this.#fields, name);
    const bytes = isCount(part) ? this.#parts[part] : undefined;
    if (bytes === undefined) throw malformed(`${name} is not there`);
    return bytes;
  }

  texts(name: string, max: number): string[] {
    const value = own(this.#fields, name);
    const isList = Array.isArray(value) && value.length <= max;
    if (!isList || !value.every((each) => typeof each === 'string' && each.length <= 100)) {
      throw malformed(`${name} is not a list of texts`);
    }
    return value as string[];
  }

  /** Whatever is there, for a reader of its own. */
  any(name: string): unknown {
    return own(this.#fields, name);
  }

  /** A JSON object inside the request, read in the same way and from the same byte strings. */
  inner(name: string): Request {
    const value = own(this.#fields, name);
    if (!isFields(value)) throw malformed(`${name} is not an object`);
    return new Request({ op: name, ...value }, this.#parts);
  }

  keys(): string[] {
    return Object.keys(this.#fields);
  }
}

/** A message of our own prelude that is not as it makes them: somebody else made it. */
export function malformed(why: string): Refusal {
  return new Refusal('OperationError', `Malformed request: ${why}`);
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw malformed('no JSON');
  }
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Only what the guest sent: nothing of any prototype. */
function own(fields: Fields, name: string): unknown {
  return Object.hasOwn(fields, name) ? fields[name] : undefined;
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0;
}
