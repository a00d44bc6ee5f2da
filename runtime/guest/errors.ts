import { assertSize, showable } from '../../sandbox-apis/_kit/json.ts';
import { CHANNEL_LIMITS } from '../protocol/limits.ts';
import type { GuestError } from '../protocol/messages.ts';
import { ErrorConstructor, freeze, hasOwn, indexOf, slice, stringify, text } from './intrinsics.ts';

/** An error that the core answered; `code` is of the registry in docs/errors.md. */
export class StreamSpaceError extends ErrorConstructor {
  readonly code: string;
  constructor(code: string, message: string) {
    super(message);
    this.name = 'StreamSpaceError';
    this.code = code;
  }
}

/** The gate refused; `permission` is what the manifest would have to ask for. */
export class PermissionError extends StreamSpaceError {
  readonly permission: string;
  constructor(message: string, permission: string) {
    super('permission_denied', message);
    this.name = 'PermissionError';
    this.permission = permission;
  }
}

/** A limit is used up; `limit` names it as the manifest does. */
export class QuotaError extends StreamSpaceError {
  /** Null for a bound that no limit sets. */
  readonly limit: string | null;
  readonly max: number | null;
  /** ISO 8601; null when it is not counted by time. */
  readonly resetsAt: string | null;
  constructor(message: string, { limit, max, resetsAt }: Readonly<Record<string, unknown>>) {
    super('quota_exceeded', message);
    this.name = 'QuotaError';
    this.limit = typeof limit === 'string' ? limit : null;
    this.max = typeof max === 'number' ? max : null;
    this.resetsAt = typeof resetsAt === 'string' ? resetsAt : null;
  }
}

/** Postgres refused a statement; what else it said of it (`sqlstate`, `constraint`, ...) is there as it came. */
export class DatabaseError extends StreamSpaceError {
  constructor(message: string) {
    super('database_error', message);
    this.name = 'DatabaseError';
  }
}

/** An error as the core sends it. */
export interface CoreError {
  readonly code: string;
  readonly message: string;
  readonly extra?: Readonly<Record<string, unknown>>;
}

/** The core's answer as an error that looks as if it was thrown where the author called. */
export function fromCore(error: CoreError, calledFrom: { stack?: string }): StreamSpaceError {
  const extra = error.extra ?? {};
  const made = errorOf(error, extra);
  for (const key in extra) {
    if (hasOwn(extra, key) && !(key in made)) (made as unknown as Record<string, unknown>)[key] = extra[key];
  }
  const frames = readText(calledFrom, 'stack');
  const firstLine = indexOf(frames, '\n');
  made.stack = `${made.name}: ${made.message}${firstLine < 0 ? '' : slice(frames, firstLine)}`;
  return made;
}

function errorOf({ code, message }: CoreError, extra: Readonly<Record<string, unknown>>): StreamSpaceError {
  switch (code) {
    case 'permission_denied':
      return new PermissionError(message, text(extra.permission));
    case 'quota_exceeded':
      return new QuotaError(message, extra);
    case 'database_error':
      return new DatabaseError(message);
    default:
      return new StreamSpaceError(code, message);
  }
}

/** Errors behind an error, and errors of one that has several: more of them say nothing more. */
const CAUSE_DEPTH = 3;
const CAUSE_PARTS = 5;

/**
 * Turns whatever was thrown into plain strings, and never throws itself. Its getters may do as they like, the entry's
 * timeout is running; what they throw is left out.
 */
export function toGuestError(thrown: unknown): GuestError {
  const isObject = (typeof thrown === 'object' || typeof thrown === 'function') && thrown !== null;
  const name = isObject ? readText(thrown, 'name') || 'Error' : 'Error';
  const message = (isObject ? readText(thrown, 'message') : '') || describe(thrown);
  const code = isObject ? readText(thrown, 'code') : '';
  // V8 puts the stack together at the first look, with the whole message at its head.
  const stack = isObject && showable(message) === message ? readText(thrown, 'stack') + causes(thrown) : '';
  // Without a prototype: a `toJSON` on that of all objects would change what it says.
  return freeze({
    __proto__: null,
    name: cut(name, 100),
    message: cut(message, CHANNEL_LIMITS.errorMessageChars),
    stack: cut(stack, CHANNEL_LIMITS.errorStackChars),
    code: code === '' ? null : cut(code, 100),
  });
}

/** What caused an error, and the errors that it is made of; each with its own stack. */
function causes(error: object, depth = 0): string {
  if (depth === CAUSE_DEPTH) return '';
  let out = '';
  const parts = read(error, 'errors');
  if (typeof parts === 'object' && parts !== null) {
    for (let at = 0; at < CAUSE_PARTS; at += 1) {
      const part = read(parts, text(at));
      if (part !== undefined) out += related(`One of its errors [${at}]`, part, depth);
    }
  }
  const cause = read(error, 'cause');
  return cause === undefined ? out : out + related('Caused by', cause, depth);
}

function related(how: string, error: unknown, depth: number): string {
  if (typeof error !== 'object' || error === null) return `\n${how}: ${describe(error)}`;
  // V8 puts the stack together at the first look, with the whole message at its head.
  const message = read(error, 'message');
  const isLong = typeof message === 'string' && showable(message) !== message;
  return `\n${how}: ${(isLong ? '' : readText(error, 'stack')) || describe(error)}${causes(error, depth + 1)}`;
}

function read(from: object, key: string): unknown {
  try {
    return (from as Record<string, unknown>)[key];
  } catch {
    return undefined;
  }
}

function readText(from: object, key: string): string {
  const value = read(from, key);
  return typeof value === 'string' ? showable(value) : '';
}

function describe(thrown: unknown): string {
  const unreadable = 'something that cannot be described';
  try {
    if (typeof thrown === 'string') return showable(thrown);
    if (typeof thrown !== 'object' || thrown === null) return text(thrown);
    assertSize(thrown, CHANNEL_LIMITS.callBytes);
    const said: unknown = stringify(thrown);
    return typeof said === 'string' ? said : unreadable;
  } catch {
    return unreadable;
  }
}

function cut(value: string, limit: number): string {
  return value.length <= limit ? value : `${slice(value, 0, limit)}...`;
}
