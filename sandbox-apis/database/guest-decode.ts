import type { DatabaseEnv } from './guest.ts';
import { readArray } from './guest-array.ts';

/** The guest's value of a text of Postgres. */
export type Decoder = (text: string) => unknown;

/** Types that do not stay text, by their oids in pg_type.dat, which never change. */
const OID = {
  bool: 16,
  bytea: 17,
  int8: 20,
  int2: 21,
  int4: 23,
  oid: 26,
  json: 114,
  box: 603,
  float4: 700,
  float8: 701,
  timestamp: 1114,
  timestamptz: 1184,
  timetz: 1266,
  jsonb: 3802,
} as const;

const MAX_SAFE = 2 ** 53 - 1;

/**
 * Makes the decoders of one isolate.
 *
 * @returns a function of a column's type, and of its elements' type when it is an array; null for what stays text
 */
export function createDecoders(env: DatabaseEnv): (type: number, element: number | undefined) => Decoder | null {
  const { charCodeAt, indexOf, parse, slice } = env;

  /** `+05` as ISO 8601 has it, and `Z` for UTC. */
  function withZone(text: string): string {
    const { length } = text;
    let sign = length - 1;
    while (sign > 0 && text[sign] !== '+' && text[sign] !== '-') sign -= 1;
    if (length - sign !== 3) return text;
    return slice(text, sign + 1) === '00' ? `${slice(text, 0, sign)}Z` : `${text}:00`;
  }

  /** `2026-11-21 10:00:00.123456+00` as ISO 8601. Infinity, years before 1 and other styles stay as they are. */
  function isoTime(text: string, hasZone: boolean): string {
    const space = indexOf(text, ' ');
    if (space < 0 || text[space - 3] !== '-' || text[space + 3] !== ':') return text;
    const time = slice(text, space + 1);
    if (indexOf(time, ' ') >= 0) return text;
    return `${slice(text, 0, space)}T${hasZone ? withZone(time) : time}`;
  }

  const nibble = (text: string, at: number): number => {
    const code = charCodeAt(text, at);
    return code < 58 ? code - 48 : code - 87;
  };

  function bytes(text: string): Uint8Array | string {
    if (text[0] !== '\\' || text[1] !== 'x') return text;
    const out = new Uint8Array((text.length - 2) / 2);
    for (let at = 0, from = 2; at < out.length; at += 1, from += 2) {
      out[at] = (nibble(text, from) << 4) | nibble(text, from + 1);
    }
    return out;
  }

  function integer(text: string): number | bigint {
    const value = Number(text);
    return value <= MAX_SAFE && value >= -MAX_SAFE ? value : BigInt(text);
  }

  function scalar(type: number): Decoder | null {
    switch (type) {
      case OID.bool:
        return (text) => text === 't';
      case OID.int2:
      case OID.int4:
      case OID.oid:
      case OID.float4:
      case OID.float8:
        return (text) => Number(text);
      case OID.int8:
        return integer;
      case OID.bytea:
        return bytes;
      case OID.json:
      case OID.jsonb:
        return (text) => parse(text);
      case OID.timestamp:
        return (text) => isoTime(text, false);
      case OID.timestamptz:
        return (text) => isoTime(text, true);
      case OID.timetz:
        return withZone;
      default:
        return null;
    }
  }

  return (type, element) => {
    if (element === undefined) return scalar(type);
    const item = scalar(element);
    const comma = element === OID.box ? ';' : ',';
    return (text) => readArray(env, text, item, comma);
  };
}
