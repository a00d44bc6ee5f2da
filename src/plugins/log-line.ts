import { LINE_LIMITS, type LogLevel } from '../../sandbox-apis/log/levels.ts';
import type { Redactor } from '../secrets/redact.ts';

/** What somebody wants to have written. */
export interface LogLine {
  readonly level: LogLevel;
  readonly message: string;
  readonly fields?: Readonly<Record<string, unknown>>;
  /** The isolate that wrote it; absent when the core did. */
  readonly isolate?: number;
}

const DEPTH = 10;
// C0 and C1 controls without tab and newline, delete, line separators, and what turns the direction of text.
// biome-ignore lint/suspicious/noControlCharactersInRegex: to find them is the point
const UNPRINTABLE = /[\0-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;

/**
 * Makes a line safe to keep and show: secrets masked, controls escaped, cut to its limits. Secrets go first, so that no
 * cut or escape hides a part of one.
 */
export function cleanLine(
  line: LogLine,
  redactor: Redactor,
  plugin: string,
): { message: string; fields?: LogLine['fields'] } {
  const clean = (text: string): string => escapeControls(redactor.redact(text, plugin));
  const message = cleanText(line.message, redactor, plugin, LINE_LIMITS.messageChars);
  if (line.fields === undefined) return { message };
  const fields = cleanValue(line.fields, clean, DEPTH) as LogLine['fields'];
  const json = JSON.stringify(fields);
  if (json.length <= LINE_LIMITS.fieldsChars) return { message, fields };
  return { message, fields: { cut: cut(json, LINE_LIMITS.fieldsChars) } };
}

/** The same for a text by itself, of at most `chars` characters (and a word on what was cut). */
export function cleanText(text: string, redactor: Redactor, plugin: string, chars: number): string {
  return cut(escapeControls(redactor.redact(text, plugin)), chars);
}

function cleanValue(value: unknown, clean: (text: string) => string, depth: number): unknown {
  switch (typeof value) {
    case 'string':
      return clean(value);
    case 'number': {
      // A secret may be all digits.
      const masked = clean(String(value));
      return masked === String(value) ? value : masked;
    }
    case 'boolean':
      return value;
    case 'object':
      break;
    default:
      return clean(String(value));
  }
  if (value === null) return null;
  if (depth === 0) return '[deeper]';
  if (Array.isArray(value)) return value.map((part) => cleanValue(part, clean, depth - 1));
  const parts = value instanceof Error ? { name: value.name, message: value.message, stack: value.stack } : value;
  return Object.fromEntries(
    Object.entries(parts).map(([key, part]) => [
      cut(clean(key), LINE_LIMITS.fieldNameChars),
      part === undefined ? null : cleanValue(part, clean, depth - 1),
    ]),
  );
}

/** Controls as `\x1b` or `\u202e`: nothing that a terminal obeys or a reader does not see is left. */
function escapeControls(text: string): string {
  return text.toWellFormed().replace(UNPRINTABLE, (char) => {
    const hex = char.charCodeAt(0).toString(16);
    return hex.length > 2 ? `\\u${hex.padStart(4, '0')}` : `\\x${hex.padStart(2, '0')}`;
  });
}

function cut(text: string, chars: number): string {
  return text.length > chars ? `${text.slice(0, chars).toWellFormed()}… (${text.length - chars} more)` : text;
}
