import type { Guest, InvokeAnswer, InvokeRequest } from '../host/guest.ts';
import { currentScope, newScope } from './scope.ts';
import type { TraceSpan } from './span.ts';

/** Begins the span of a handler that runs in an isolate; null when tracing is off. @param what of few different values */
export function beginHandler(plugin: string, what: string): TraceSpan | null {
  const span = currentScope()?.span ?? null;
  return span === null ? null : span.child(what, { attributes: { 'streamspace.plugin': plugin } });
}

/** Runs a handler, in a span of its own when there is a trace to follow. */
export function invokeTraced(plugin: string, guest: Guest, request: InvokeRequest): Promise<InvokeAnswer> {
  const span = beginHandler(plugin, request.what);
  return span === null ? guest.invoke(request) : invokeIn(span, guest, request);
}

/** Runs a handler in its span, below which its calls into the core come; ends the span. */
export async function invokeIn(span: TraceSpan, guest: Guest, request: InvokeRequest): Promise<InvokeAnswer> {
  const scope = newScope(currentScope()?.requestId ?? null, span);
  try {
    return await guest.invoke({ ...request, scope });
  } catch (error) {
    span.fail(error);
    throw error;
  } finally {
    scope.isOver = true;
    span.end();
  }
}
