import type { Static, TSchema } from '@sinclair/typebox';
import type { ErrorCode } from './errors.ts';

/** One guest-to-core call, said once: schemas, permission, errors and deadline all derive from it. */
export interface CallContract<I extends TSchema = TSchema, O extends TSchema = TSchema> {
  readonly summary: string;
  readonly input: I;
  readonly output: O;
  /** Codes that its handler may answer, besides those that any call may (COMMON_ERRORS). */
  readonly errors: readonly ErrorCode[];
  /** Milliseconds until the core answers `deadline_exceeded` by its own clock. */
  readonly deadlineMs: number;
  /** The permission that this input of this plugin needs, or null. Pure. (A method, so that rooms stay assignable.) */
  needs?(input: Static<I>, plugin: string): string | null;
  /** True when the guest gets no answer (a log line). */
  readonly oneway?: boolean;
  /**
   * True when it adds or removes a handler. Such a call passes while an admin has the capability switched off, so that the
   * plugin still loads; what it registered rests meanwhile.
   */
  readonly registers?: boolean;
  /**
   * True when it takes no turn among the `atOnce` of its room: it waits for what others hold until they have had theirs (a
   * transaction's connection), or is what they wait for.
   */
  readonly outOfTurn?: boolean;
  /** Calls of this kind of one isolate that are worked on at a time, counted apart from the `atOnce` of the room. */
  readonly atOnce?: number;
}

/** What a room understands of permissions: which strings are its own, what they say, and what they allow. */
export interface PermissionKind {
  /** Regular expression source (anchored by the reader) that a manifest entry of this kind matches. */
  readonly pattern: string;
  readonly example: string;
  /** The sentence that an admin reads before consenting. */
  readonly describe: (permission: string) => string;
}

export interface RoomContract<C extends Record<string, CallContract> = Record<string, CallContract>> {
  readonly name: string;
  readonly summary: string;
  readonly permissions: readonly PermissionKind[];
  /** Whether one granted permission covers a needed one. Pure; exact equality when absent. */
  readonly allows?: (granted: string, needed: string) => boolean;
  /** Calls of one isolate (but for those `outOfTurn`) that are worked on at a time; the rest wait in order. No limit when absent. */
  readonly atOnce?: number;
  readonly calls: C;
}

/** Codes that the broker itself may answer to any call. */
export const COMMON_ERRORS = [
  'permission_denied',
  'invalid_input',
  'quota_exceeded',
  'deadline_exceeded',
  'aborted',
  'internal',
  'unknown_call',
] as const satisfies readonly ErrorCode[];

export function defineCall<I extends TSchema, O extends TSchema>(call: CallContract<I, O>): CallContract<I, O> {
  return call;
}

// biome-ignore lint/suspicious/noExplicitAny: a room's calls differ in their schemas
export function defineRoom<const C extends Record<string, CallContract<any, any>>>(
  room: RoomContract<C>,
): RoomContract<C> {
  return room;
}

/** Who calls: made by the core from its record of the isolate, never from what the guest sent. */
export interface Caller {
  readonly plugin: string;
  readonly version: string;
  /** Number of the isolate; a reload has two of a plugin for a moment. */
  readonly isolate: number;
  readonly grants: readonly string[];
  /** Aborted at the call's deadline, when the guest aborts it, and when the isolate goes. */
  readonly signal: AbortSignal;
  /** How many plugins the call chain has passed through (`plugins.call`). */
  readonly depth: number;
  /** Makes a stream readable by the guest; answer its id in the output. */
  readonly sendStream: (stream: ReadableStream<Uint8Array>) => number;
  /** The bytes of a stream that the guest writes, by the id in the input; back-pressured. */
  readonly receiveStream: (id: number) => ReadableStream<Uint8Array>;
}

/** The handlers of a room: the same names as its calls, typed by its schemas. */
export type Handlers<R extends RoomContract> = {
  readonly [K in keyof R['calls']]: (
    caller: Caller,
    input: Static<R['calls'][K]['input']>,
  ) => Promise<Static<R['calls'][K]['output']>> | Static<R['calls'][K]['output']>;
};
