import { type Context, ROOT_CONTEXT, type SpanContext, TraceFlags, trace } from '@opentelemetry/api';
import { parseTraceParent, TraceState } from '@opentelemetry/core';

/** Characters of a `tracestate` that are taken and passed on: the W3C asks for at least 512. */
const STATE_CHARS = 512;

/** Where a trace was, as text: what HTTP headers and rows of the database carry. */
export interface Carried {
  readonly traceparent: string;
  readonly tracestate: string | null;
}

/**
 * Reads W3C Trace Context.
 *
 * @returns null when there is none, or it is not well formed: then a new trace begins, as the standard asks
 */
export function readContext(traceparent: string | null, tracestate: string | null): Context | null {
  if (traceparent === null || traceparent.length > 200) return null;
  const parsed = parseTraceParent(traceparent.trim());
  if (parsed === null) return null;
  const state = tracestate !== null && tracestate.length <= STATE_CHARS ? new TraceState(tracestate) : null;
  const found: SpanContext = { ...parsed, isRemote: true, ...(state === null ? {} : { traceState: state }) };
  return trace.setSpanContext(ROOT_CONTEXT, found);
}

/** Version 00 of the header; of the flags only `sampled` is ours to say. */
export function formatTraceparent({ traceId, spanId, traceFlags }: SpanContext): string {
  return `00-${traceId}-${spanId}-${(traceFlags & TraceFlags.SAMPLED) === 0 ? '00' : '01'}`;
}
