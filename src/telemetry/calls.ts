import type { CodedError } from '../../sandbox-apis/_kit/errors.ts';
import type { Guest, GuestCall } from '../host/guest.ts';
import type { Scope } from './scope.ts';
import type { ChildOptions, TraceSpan } from './span.ts';

/** Whom a call of a guest belongs to, as far as that is known. */
export interface Origin {
  /** The call's name, as JSON text. */
  readonly name: string;
  /** Of the invocation that it was made in; null when nobody can tell. */
  readonly scope: Scope | null;
}

const QUOTE = 34;
/** Digits of the number of an invocation, 32 bits. */
const DIGITS = 10;

/**
 * Reads `17"storage.get"`: a guest that is being traced puts the number of the invocation in front of the name when it
 * knows it. It can lie about its own invocations only: what is not under way in its isolate is nobody's. A call without a
 * number is of the one invocation that is under way, when there is just one.
 */
export function originOf(guest: Guest, { name }: GuestCall): Origin {
  if (name.charCodeAt(0) === QUOTE) return { name, scope: guest.onlyScope() };
  const end = name.indexOf('"');
  const number = end > 0 && end <= DIGITS ? Number(name.slice(0, end)) : Number.NaN;
  if (!Number.isSafeInteger(number)) return { name, scope: null };
  return { name: name.slice(end), scope: guest.scopeOf(number) };
}

const KINDS: Readonly<Record<string, ChildOptions['kind']>> = {
  connect: 'client',
  database: 'client',
};

/**
 * Begins the span of a call.
 *
 * @param room as in its contract
 * @param key of the call in it
 */
export function beginCall(scope: Scope | null, plugin: string, room: string, key: string): TraceSpan | null {
  if (scope === null || scope.span === null) return null;
  const publishes = room === 'events' && key === 'emit';
  const kind = publishes ? 'producer' : (KINDS[room] ?? 'internal');
  const attributes: Record<string, string> = { 'streamspace.plugin': plugin, 'streamspace.call': `${room}.${key}` };
  if (room === 'database') attributes['db.system.name'] = 'postgresql';
  return scope.span.child(`${room}.${key}`, { kind, attributes });
}

const STATEMENT = /^\s*([a-z]{1,20})\b/i;

/** What of a call's input says something and is no secret: of a statement its first word, never its text or values. */
export function describeInput(span: TraceSpan, room: string, input: unknown): void {
  if (room !== 'database' || typeof input !== 'object' || input === null || !('sql' in input)) return;
  const operation = STATEMENT.exec(String(input.sql))?.[1];
  if (operation !== undefined) span.set({ 'db.operation.name': operation.toUpperCase() });
}

/** @param permission that it needed: of `connect` and `fetch` it names the host */
export function endCall(span: TraceSpan, permission: string | null, error: CodedError | null): void {
  if (permission !== null) span.set({ 'streamspace.permission': permission });
  if (error !== null) span.failed(error.code, error.message);
  span.end();
}
