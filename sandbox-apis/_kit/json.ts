/**
 * What a plugin may hand over as JSON. `JSON.stringify` drops functions and turns a Map into `{}`, unasked: that would
 * lose data, so it is refused, with the place. Sizes are looked at first: a text that was put together from parts takes
 * its memory only when somebody reads it, and half a gigabyte of it is no argument.
 *
 * Runs inside the isolate, where the language may be patched: everything is taken at boot.
 */
const { getPrototypeOf, keys, prototype: plain } = Object;
const { isArray } = Array;
const { isView } = ArrayBuffer;
const { isFinite: isFiniteNumber } = Number;
const MakeTypeError = TypeError;
const MakeRangeError = RangeError;
const toText = String;

/** Characters of all texts in the arguments of one call: the core takes no more bytes (CHANNEL_LIMITS.callBytes). */
const CALL_CHARS = 1_048_576;
/** Levels below the argument; the core's own limit is 64 for the whole call. */
const MAX_DEPTH = 48;

interface Left {
  chars: number;
}

/**
 * Checks one argument of a call.
 *
 * @param at how the author calls it: `value`, `data`
 * @throws TypeError with the code `invalid_input` that names the place and what is wrong there
 */
export function assertJson(value: unknown, at: string): void {
  check(value, at, { chars: CALL_CHARS }, 0);
}

function check(value: unknown, at: string, left: Left, depth: number): void {
  switch (typeof value) {
    case 'string':
      spend(left, value.length, at);
      return;
    case 'boolean':
      return;
    case 'number':
      if (!isFiniteNumber(value)) throw invalid(`${at}: is ${value}, which JSON cannot say`);
      return;
    case 'object':
      if (value !== null) checkParts(value, at, left, depth);
      return;
    default:
      throw invalid(`${at}: is of type ${typeof value}, which JSON cannot say`);
  }
}

function checkParts(value: object, at: string, left: Left, depth: number): void {
  if (depth === MAX_DEPTH) throw invalid(`${at}: is nested deeper than ${MAX_DEPTH} levels, or in a circle`);
  if (typeof (value as { toJSON?: unknown }).toJSON === 'function') return;
  if (isArray(value)) {
    for (let i = 0; i < value.length; i += 1) {
      spend(left, 1, at);
      check(value[i], `${at}/${i}`, left, depth + 1);
    }
    return;
  }
  if (isView(value)) throw invalid(`${at}: is a view of bytes, which JSON cannot say`);
  const names = keys(value);
  if (names.length === 0 && !isPlain(value)) throw invalid(`${at}: is no plain object, and JSON keeps nothing of it`);
  for (let i = 0; i < names.length; i += 1) {
    const name = names[i] as string;
    spend(left, name.length, at);
    const part = (value as Record<string, unknown>)[name];
    // As `JSON.stringify` has it: a property that is undefined is not there.
    if (part !== undefined) check(part, `${at}/${name}`, left, depth + 1);
  }
}

function isPlain(value: object): boolean {
  const prototype = getPrototypeOf(value);
  return prototype === plain || prototype === null;
}

function spend(left: Left, chars: number, at: string): void {
  left.chars -= chars;
  if (left.chars < 0) throw invalid(`${at}: holds more than ${CALL_CHARS} characters in all`);
}

function invalid(message: string): TypeError {
  const error = new MakeTypeError(message) as TypeError & { code: string };
  error.code = 'invalid_input';
  return error;
}

/**
 * Checks only the size of what is to become JSON text; what JSON cannot say is left to `JSON.stringify`.
 *
 * @throws RangeError when its texts are longer than `chars` in all
 */
export function assertSize(value: unknown, chars: number): void {
  measure(value, { chars }, chars, 0);
}

function measure(value: unknown, left: Left, limit: number, depth: number): void {
  if (typeof value === 'string') {
    left.chars -= value.length;
  } else if (typeof value === 'object' && value !== null && depth < MAX_DEPTH) {
    if (isView(value)) {
      left.chars -= value.byteLength;
    } else if (isArray(value)) {
      left.chars -= value.length;
      for (let i = 0; i < value.length && left.chars >= 0; i += 1) measure(value[i], left, limit, depth + 1);
    } else if (typeof (value as { toJSON?: unknown }).toJSON !== 'function') {
      const names = keys(value);
      left.chars -= names.length;
      for (let i = 0; i < names.length && left.chars >= 0; i += 1) {
        measure((value as Record<string, unknown>)[names[i] as string], left, limit, depth + 1);
      }
    }
  }
  if (left.chars < 0) throw new MakeRangeError(`It would be longer than ${limit} characters`);
}

/** Characters of a text that is still read to show the beginning of it. */
const SHOWN_FROM = 1_048_576;

/** What can be shown of a text of any length without reading all of it. */
export function showable(text: string): string {
  return text.length <= SHOWN_FROM ? text : `[a text of ${toText(text.length)} characters]`;
}
