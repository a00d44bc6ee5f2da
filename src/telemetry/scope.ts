import { AsyncLocalStorage } from 'node:async_hooks';
import type { Attributes, TraceSpan } from './span.ts';

/** What a piece of the core's work belongs to: goes along with its calls and awaits, never through an isolate. */
export interface Scope {
  /** The HTTP request that it began with; null for events, jobs and what the core does by itself. */
  readonly requestId: string | null;
  /** The span under way; null when tracing is off. */
  readonly span: TraceSpan | null;
  /** Timers and sockets keep the scope that they were made in, for ever: one that is over says nothing any more. */
  isOver: boolean;
}

const scopes = new AsyncLocalStorage<Scope | undefined>();

export function newScope(requestId: string | null, span: TraceSpan | null): Scope {
  return { requestId, span, isOver: false };
}

/** Work that belongs to nothing known. */
export const NO_SCOPE: Scope = newScope(null, null);

/** Undefined outside of requests, and of deliveries and runs while tracing is off. */
export function currentScope(): Scope | undefined {
  const scope = scopes.getStore();
  return scope?.isOver === true ? undefined : scope;
}

export function currentSpan(): TraceSpan | null {
  return currentScope()?.span ?? null;
}

/** Runs what belongs to a scope that somebody else ends. */
export function enterScope<T>(scope: Scope | undefined, work: () => T): T {
  return scopes.run(scope, work);
}

/** Runs what outlives the request that it was made in, such as a connection to an isolate host. */
export function outsideScopes<T>(work: () => T): T {
  return scopes.run(undefined, work);
}

/** Runs work in a scope of its own, which is over when the work is. */
export async function runInScope<T>(
  requestId: string | null,
  span: TraceSpan | null,
  work: () => T | Promise<T>,
): Promise<T> {
  const scope = newScope(requestId, span);
  try {
    return await scopes.run(scope, work);
  } finally {
    scope.isOver = true;
  }
}

/** The same, and ends the span, which a rejection marks as failed. */
export async function runInSpan<T>(requestId: string | null, span: TraceSpan, work: () => T | Promise<T>): Promise<T> {
  try {
    return await runInScope(requestId, span, work);
  } catch (error) {
    span.fail(error);
    throw error;
  } finally {
    span.end();
  }
}

/**
 * Runs a step of the core in a child of the span under way; just runs it when there is none.
 *
 * @param name of few different values: ids and names of plugins are attributes
 */
export function inSpan<T>(name: string, attributes: Attributes, work: () => Promise<T>): Promise<T> {
  const scope = currentScope();
  if (scope === undefined || scope.span === null) return work();
  return runInSpan(scope.requestId, scope.span.child(name, { attributes }), work);
}

/** Fields of a log line that say what it belongs to; those of the trace are named as OpenTelemetry names them. */
export function logFields(): Record<string, string> {
  const scope = currentScope();
  if (scope === undefined) return {};
  const { requestId, span } = scope;
  return {
    ...(requestId === null ? {} : { request_id: requestId }),
    ...(span === null ? {} : { trace_id: span.traceId, span_id: span.spanId }),
  };
}
