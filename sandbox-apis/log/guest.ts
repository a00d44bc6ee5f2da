import type { GuestHost } from '../_kit/guest.ts';
import { showable } from '../_kit/json.ts';

/** Named values beside a message: JSON; errors keep name, message, stack and cause, bigints become text. */
export type LogFields = Readonly<Record<string, unknown>>;

/**
 * `streamspace.log`: structured lines of this plugin. A line has a message (16,384 characters) and fields (64, together
 * 32 KB); what is longer is cut. Secrets are masked. Never throws, and does not wait: a plugin that writes more lines than
 * its rate allows loses some, and the log says how many. `console` writes to the same log.
 *
 * @example
 * ```ts
 * streamspace.log.info('posted', { channel: '#general', ms: 120 });
 * ```
 */
export interface LogApi {
  /** What helps the author, in detail. */
  debug(message: string, fields?: LogFields | Error): void;
  /** What happens as it should. */
  info(message: string, fields?: LogFields | Error): void;
  /** What somebody should look at some day. */
  warn(message: string, fields?: LogFields | Error): void;
  /** What failed: `log.error('the post failed', { error })`. */
  error(message: string, fields?: LogFields | Error): void;
  /** What keeps the plugin from working at all. */
  fatal(message: string, fields?: LogFields | Error): void;
}

const MESSAGE_CHARS = 16_384;
const FIELDS = 64;
const FIELD_NAME_CHARS = 128;
/** Characters of all fields; with what JSON adds they stay below what the log takes. */
const FIELDS_CHARS = 24_000;
const DEPTH = 8;

/** What may still be said in a line. */
interface Room {
  left: number;
}

export function createLog(host: GuestHost): LogApi {
  const writer = (level: keyof LogApi) => (message: string, fields?: LogFields | Error) => {
    const line = { level, message: cut(toText(message), MESSAGE_CHARS) };
    host.send('log.write', fields === undefined || fields === null ? line : { ...line, fields: toFields(fields) });
  };
  return {
    debug: writer('debug'),
    info: writer('info'),
    warn: writer('warn'),
    error: writer('error'),
    fatal: writer('fatal'),
  };
}

function toFields(fields: unknown): Record<string, unknown> {
  const named =
    fields instanceof Error || Array.isArray(fields) || typeof fields !== 'object' ? { value: fields } : fields;
  return toPlain(named, { left: FIELDS_CHARS }, 0) as Record<string, unknown>;
}

/** A copy that JSON can say, within the room; circles end at the depth. */
function toPlain(value: unknown, room: Room, depth: number): unknown {
  if (value === null || typeof value === 'boolean' || typeof value === 'number') {
    room.left -= 8;
    return typeof value === 'number' && !Number.isFinite(value) ? String(value) : value;
  }
  if (typeof value !== 'object') return spend(toText(value), room);
  if (depth === DEPTH || room.left <= 0) return Array.isArray(value) ? '[array]' : '[object]';
  try {
    if (typeof (value as { toJSON?: unknown }).toJSON === 'function') {
      return toPlain((value as { toJSON: () => unknown }).toJSON(), room, depth + 1);
    }
    if (value instanceof Error) return toPlain(errorParts(value), room, depth);
    if (Array.isArray(value)) return listed(value, room, depth);
    return named(value, room, depth);
  } catch {
    // A getter or proxy that throws: a log line is no reason to fail.
    return depth === 0 ? {} : '[unreadable]';
  }
}

function listed(values: readonly unknown[], room: Room, depth: number): unknown[] {
  const out: unknown[] = [];
  for (const value of values) {
    if (room.left <= 0) break;
    out.push(toPlain(value, room, depth + 1));
  }
  return out.length < values.length ? [...out, `[${values.length - out.length} more]`] : out;
}

function named(value: object, room: Room, depth: number): Record<string, unknown> {
  const out: Record<string, unknown> = {};
  let count = 0;
  for (const key of Object.keys(value)) {
    const part = (value as Record<string, unknown>)[key];
    if (part === undefined || key === '__proto__') continue;
    if (count === FIELDS || room.left <= 0) break;
    count += 1;
    out[spend(cut(showable(key), FIELD_NAME_CHARS - 1), room)] = toPlain(part, room, depth + 1);
  }
  return out;
}

function errorParts(error: Error): Record<string, unknown> {
  // Its own properties first: name and message are what it says they are, wherever they are defined.
  const { message } = error;
  // V8 puts the stack together at the first look, with the whole message at its head.
  const isLong = typeof message === 'string' && showable(message) !== message;
  return { ...error, name: error.name, message, stack: isLong ? undefined : error.stack, cause: error.cause };
}

function spend(text: string, room: Room): string {
  const said = cut(text, Math.max(room.left, 1));
  room.left -= said.length + 4;
  return said;
}

function toText(value: unknown): string {
  try {
    return typeof value === 'function' ? `[function ${value.name}]` : showable(String(value));
  } catch {
    return '[unreadable]';
  }
}

function cut(text: string, chars: number): string {
  return text.length > chars ? `${text.slice(0, chars - 1)}…` : text;
}
