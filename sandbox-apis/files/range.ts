import { CodedError } from '../_kit/errors.ts';

/** A part of a file, within it. */
export interface ByteRange {
  readonly offset: number;
  readonly length: number;
}

/** A part as it is asked for; `suffix` is the last so many bytes. */
export interface WantedRange {
  readonly offset?: number | undefined;
  readonly length?: number | undefined;
  readonly suffix?: number | undefined;
}

/**
 * The part of a file of `size` bytes that is meant. What goes over the end is cut there.
 * @throws CodedError `range_not_satisfiable` when nothing of it is in the file
 */
export function resolveRange({ offset, length, suffix }: WantedRange, size: number): ByteRange {
  const from = suffix === undefined ? (offset ?? 0) : Math.max(0, size - suffix);
  const rest = size - from;
  const count = suffix === undefined && length !== undefined ? Math.min(length, rest) : rest;
  if (count > 0) return { offset: from, length: count };
  throw new CodedError('range_not_satisfiable', `range: nothing of it is in the ${size} bytes of the file`, { size });
}

/**
 * The part that a `Range` header (RFC 9110, 14.2) asks for; null for one that is to be ignored: other units, several
 * parts, not well formed.
 */
export function parseRange(header: string): WantedRange | null {
  const [, first = '', last = ''] = /^bytes=[ \t]*(\d{0,15})-(\d{0,15})[ \t]*$/i.exec(header) ?? [];
  if (first === '') return last === '' ? null : { suffix: Number(last) };
  const offset = Number(first);
  if (last === '') return { offset };
  return Number(last) < offset ? null : { offset, length: Number(last) - offset + 1 };
}
