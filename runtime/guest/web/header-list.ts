import { StringCharCodeAt, StringIndexOf, StringSlice, StringToLowerCase } from './intrinsics.ts';
import { append, removeAt } from './lists.ts';

/** Name and value. Names are as they came until `lowerNames` has run. */
export type Pair = [name: string, value: string];

/** Reads field lines as the core writes them, `name:value\n` each: names are lower-case and nothing has a line break. */
export function parseFieldLines(lines: string): Pair[] {
  const list: Pair[] = [];
  let at = 0;
  while (at < lines.length) {
    const colon = StringIndexOf(lines, ':', at);
    const end = StringIndexOf(lines, '\n', colon);
    append(list, [StringSlice(lines, at, colon), StringSlice(lines, colon + 1, end)]);
    at = end + 1;
  }
  return list;
}

/** 1 for the chars of a token (RFC 9110 5.6.2), by code. */
const TOKEN = new Uint8Array(128);
for (const char of "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") {
  TOKEN[char.charCodeAt(0)] = 1;
}

/** Whether the text is a token: a method or a header name. */
export function isToken(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    const code = StringCharCodeAt(text, i);
    if (code > 127 || TOKEN[code] === 0) return false;
  }
  return text !== '';
}

const isSpace = (code: number): boolean => code === 32 || code === 9 || code === 10 || code === 13;

/** Takes the whitespace of HTTP from both ends of a value ("normalize" of the Fetch standard). */
export function trim(value: string): string {
  let start = 0;
  let end = value.length;
  while (start < end && isSpace(StringCharCodeAt(value, start))) start++;
  while (end > start && isSpace(StringCharCodeAt(value, end - 1))) end--;
  return start === 0 && end === value.length ? value : StringSlice(value, start, end);
}

/** @throws TypeError when it is not a header name. */
export function checkName(name: string): string {
  if (!isToken(name)) throw new TypeError(`Header name ${JSON.stringify(name)} is not valid`);
  return StringToLowerCase(name);
}

/** @throws TypeError when it has a line break, a NUL or a char above U+00FF. */
export function checkValue(name: string, raw: string): string {
  const value = trim(raw);
  for (let i = 0; i < value.length; i++) {
    const code = StringCharCodeAt(value, i);
    if (code === 0 || code === 10 || code === 13 || code > 255) {
      throw new TypeError(`The value of header "${name}" has a character that is not allowed (at ${i})`);
    }
  }
  return value;
}

/** Makes the names of pairs from outside lower-case, in place. */
export function lowerNames(list: Pair[]): void {
  for (let i = 0; i < list.length; i++) {
    const pair = list[i] as Pair;
    pair[0] = StringToLowerCase(pair[0]);
  }
}

/** The combined value of a header (lower-case name), or null. */
export function find(list: readonly Pair[], name: string): string | null {
  let value: string | null = null;
  for (let i = 0; i < list.length; i++) {
    const pair = list[i] as Pair;
    if (pair[0] === name) value = value === null ? pair[1] : `${value}, ${pair[1]}`;
  }
  return value;
}

/** Replaces all values of a name by one, where the first of them stood. */
export function replace(list: Pair[], name: string, value: string): void {
  let done = false;
  for (let i = 0; i < list.length; i++) {
    const pair = list[i] as Pair;
    if (pair[0] !== name) continue;
    if (done) removeAt(list, i--);
    else pair[1] = value;
    done = true;
  }
  if (!done) append(list, [name, value]);
}

/** Takes all values of a name away. */
export function remove(list: Pair[], name: string): void {
  for (let i = list.length - 1; i >= 0; i--) if (list[i]?.[0] === name) removeAt(list, i);
}
