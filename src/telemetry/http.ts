import { nameAnswer, requestIdOf } from './request-id.ts';
import { runInSpan } from './scope.ts';
import { readContext } from './trace-context.ts';
import type { Tracing } from './tracing.ts';

type Answer = () => Response | Promise<Response>;

/** What machines ask every few seconds, and nobody asks about. */
const UNTRACED: ReadonlySet<string> = new Set(['/healthz', '/readyz', '/metrics']);

/**
 * Runs what answers a request in a server span, which continues the trace of the request's `traceparent` when it has one.
 * The query is left out: it may hold tokens.
 */
export function traceRequests(tracing: Tracing) {
  return async (request: Request, answer: Answer): Promise<Response> => {
    const { pathname, protocol } = new URL(request.url);
    if (UNTRACED.has(pathname)) return answer();
    const { headers, method } = request;
    const parent = readContext(headers.get('traceparent'), headers.get('tracestate'));
    const attributes = {
      'http.request.method': method,
      'url.path': pathname,
      'url.scheme': protocol.slice(0, -1),
    };
    const span = tracing.begin(method, { kind: 'server', attributes }, parent);
    const requestId = requestIdOf(request);
    span.set({ 'streamspace.request_id': requestId });
    return runInSpan(requestId, span, async () => {
      const response = await answer();
      span.set({ 'http.response.status_code': response.status });
      if (response.status >= 500) span.failed(String(response.status), '');
      return nameAnswer(response, requestId);
    });
  };
}
