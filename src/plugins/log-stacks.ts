import type { LogLine } from './log-line.ts';
import type { StackMapper } from './source-map.ts';

/** Levels of fields that are looked into; stacks of errors are in the first two. */
const DEPTH = 4;
const FRAME = /\n\s+at /;

/**
 * A line of a plugin with the places of its bundle as those of its files: in its message, in the stacks that are fields of
 * it or of errors in them, which get the lines around as well. Most lines name no place and are answered as they are.
 */
export function withAuthorsPlaces<T extends LogLine>(line: T, stacks: StackMapper | undefined): T {
  if (stacks === undefined) return line;
  const message = textOf(line.message, stacks);
  const fields = line.fields === undefined ? undefined : mappedValue(line.fields, stacks, DEPTH);
  if (message === line.message && fields === line.fields) return line;
  return { ...line, message, ...(fields === undefined ? {} : { fields }) };
}

function textOf(text: string, stacks: StackMapper): string {
  if (!stacks.concerns(text)) return text;
  return FRAME.test(text) ? stacks.map(text) : stacks.mapPositions(text);
}

/** The same value when nothing in it changes. */
function mappedValue<T>(value: T, stacks: StackMapper, depth: number): T {
  if (typeof value === 'string') return textOf(value, stacks) as T;
  if (typeof value !== 'object' || value === null || depth === 0) return value;
  if (Array.isArray(value)) {
    const mapped = value.map((part) => mappedValue(part, stacks, depth - 1));
    return mapped.some((part, at) => part !== value[at]) ? (mapped as T) : value;
  }
  const entries = Object.entries(value);
  const mapped = entries.map(([key, part]): [string, unknown] => [key, mappedValue(part, stacks, depth - 1)]);
  return mapped.some(([, part], at) => part !== entries[at]?.[1]) ? (Object.fromEntries(mapped) as T) : value;
}
