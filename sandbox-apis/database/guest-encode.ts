import { assertJson, assertSize } from '../_kit/json.ts';
import type { DatabaseEnv } from './guest.ts';
import { property } from './guest-property.ts';

/** Characters of all parameters of a statement: a call takes no more. */
const MOST_CHARS = 1_048_576;
/** Postgres has six dimensions; what is deeper is a circle. */
const MOST_DIMENSIONS = 6;
const DIGITS = '0123456789abcdef';

/**
 * Makes the encoder of one isolate: the parameters of a statement in Postgres' text format.
 *
 * @throws StreamSpaceError with the code `invalid_input` that names the parameter, RangeError when they are too long in all
 */
export function createEncoder(env: DatabaseEnv): (params: readonly unknown[]) => (string | null)[] {
  const { apply, defineProperty, isArray, slice, stringify, toISOString, StreamSpaceError } = env;
  const invalid = (at: string, why: string): Error => new StreamSpaceError('invalid_input', `${at}: ${why}`);

  /** Years beyond 9999 have a sign in ISO 8601 and none in Postgres, which counts those before 1 backwards. */
  function date(value: Date, at: string): string {
    let iso: string;
    try {
      iso = apply(toISOString, value, []) as string;
    } catch {
      throw invalid(at, 'is not a valid date');
    }
    if (iso[0] === '+') return slice(iso, 1);
    const isNegative = iso[0] === '-';
    const year = Number(slice(iso, isNegative ? 1 : 0, isNegative ? 7 : 4));
    if (!isNegative && year > 0) return iso;
    const before = `${year + 1}`;
    const zeros = before.length < 4 ? slice('0000', before.length) : '';
    return `${zeros}${before}${slice(iso, isNegative ? 7 : 4)} BC`;
  }

  function hex(bytes: Uint8Array): string {
    let text = '\\x';
    for (let at = 0; at < bytes.length; at += 1) {
      const byte = bytes[at] as number;
      text += (DIGITS[byte >> 4] as string) + (DIGITS[byte & 15] as string);
    }
    return text;
  }

  /** A value that is no array. */
  function scalar(value: unknown, at: string): string | null {
    switch (typeof value) {
      case 'string':
        return value;
      case 'number':
        return value === 0 && 1 / value < 0 ? '-0' : `${value}`;
      case 'bigint':
      case 'boolean':
        return `${value}`;
      case 'object':
        if (value === null) return null;
        if (value instanceof Date) return date(value, at);
        if (value instanceof Uint8Array) return hex(value);
        assertJson(value, at);
        return stringify(value);
      case 'undefined':
        throw invalid(at, 'is undefined; for a value that is not there say null');
      default:
        throw invalid(at, `is of type ${typeof value}, which a database cannot keep`);
    }
  }

  function quote(text: string): string {
    let out = '"';
    let from = 0;
    for (let at = 0; at < text.length; at += 1) {
      if (text[at] !== '"' && text[at] !== '\\') continue;
      out += `${slice(text, from, at)}\\`;
      from = at;
    }
    return `${out}${slice(text, from)}"`;
  }

  function array(values: readonly unknown[], at: string, dimension: number): string {
    if (dimension > MOST_DIMENSIONS) throw invalid(at, `has more than ${MOST_DIMENSIONS} dimensions, or is a circle`);
    let out = '{';
    for (let index = 0; index < values.length; index += 1) {
      if (index > 0) out += ',';
      out += element(values[index], `${at}[${index}]`, dimension);
    }
    return `${out}}`;
  }

  function element(value: unknown, at: string, dimension: number): string {
    if (isArray(value)) return array(value, at, dimension + 1);
    const text = scalar(value, at);
    if (text === null) return 'NULL';
    return typeof value === 'number' || typeof value === 'bigint' ? text : quote(text);
  }

  return (params) => {
    if (!isArray(params)) throw invalid('params', 'is not an array');
    assertSize(params, MOST_CHARS);
    const out: (string | null)[] = [];
    for (let index = 0; index < params.length; index += 1) {
      const value: unknown = params[index];
      const at = `params[${index}]`;
      defineProperty(out, index, property(isArray(value) ? array(value, at, 1) : scalar(value, at)));
    }
    return out;
  };
}
