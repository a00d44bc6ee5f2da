import { CHANNEL_LIMITS } from '../protocol/limits.ts';
import type { GuestError } from '../protocol/messages.ts';
import { ErrorConstructor, freeze, slice, stringify, text } from './intrinsics.ts';

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

interface CoreError {
  readonly code: string;
  readonly message: string;
  readonly extra?: Readonly<Record<string, unknown>>;
}

/** The core's answer as an error that looks as if it was thrown where the author called. */
export function fromCore(error: CoreError, calledFrom: { stack?: string }): StreamSpaceError {
  const extra = error.extra ?? {};
  const made =
    error.code === 'permission_denied'
      ? new PermissionError(error.message, text(extra.permission))
      : new StreamSpaceError(error.code, error.message);
  for (const key in extra) {
    if (!(key in made)) (made as unknown as Record<string, unknown>)[key] = extra[key];
  }
  const frames = calledFrom.stack ?? '';
  made.stack = `${made.name}: ${made.message}${slice(frames, frames.indexOf('\n') < 0 ? frames.length : frames.indexOf('\n'))}`;
  return made;
}

/** Turns whatever was thrown into plain strings; its getters may do as they like, the entry's timeout is running. */
export function toGuestError(thrown: unknown): GuestError {
  if (typeof thrown !== 'object' || thrown === null) {
    return { name: 'Error', message: cut(describe(thrown), CHANNEL_LIMITS.errorMessageChars), stack: '', code: null };
  }
  const error = thrown as Record<string, unknown>;
  const code = read(error, 'code');
  return freeze({
    name: cut(read(error, 'name') || 'Error', 100),
    message: cut(read(error, 'message') || describe(thrown), CHANNEL_LIMITS.errorMessageChars),
    stack: cut(read(error, 'stack') + causes(error), CHANNEL_LIMITS.errorStackChars),
    code: code === '' ? null : cut(code, 100),
  });
}

function causes(error: Record<string, unknown>): string {
  let out = '';
  let cause: unknown = error.cause;
  for (let depth = 0; depth < 3 && typeof cause === 'object' && cause !== null; depth += 1) {
    out += `\nCaused by: ${read(cause as Record<string, unknown>, 'stack')}`;
    cause = (cause as Record<string, unknown>).cause;
  }
  return out;
}

function read(error: Record<string, unknown>, key: string): string {
  try {
    const value = error[key];
    return typeof value === 'string' ? value : '';
  } catch {
    return '';
  }
}

function describe(thrown: unknown): string {
  try {
    if (typeof thrown === 'object' && thrown !== null) return stringify(thrown) ?? 'an object';
    return text(thrown);
  } catch {
    return 'something that cannot be described';
  }
}

function cut(value: string, limit: number): string {
  return value.length <= limit ? value : `${slice(value, 0, limit)}...`;
}
