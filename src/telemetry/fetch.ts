import type { FetchTrace } from '../../sandbox-apis/fetch/trace.ts';
import { mayTell } from './config.ts';
import { currentSpan } from './scope.ts';

/**
 * A client span for each request that a plugin sends. Hosts that the operator left out of STREAMSPACE_TRACE_OUT are told
 * nothing; none is told `tracestate`, which is of the systems on this side.
 */
export function createFetchTrace(outgoing: readonly string[]): FetchTrace {
  return (plugin, method, host, port) => {
    const span = currentSpan()?.child(method, {
      kind: 'client',
      attributes: {
        'streamspace.plugin': plugin,
        'http.request.method': method,
        'server.address': host,
        'server.port': port,
      },
    });
    if (span === undefined) return null;
    return {
      traceparent: mayTell(outgoing, host) ? span.traceparent : null,
      end(status, error) {
        if (status !== null) span.set({ 'http.response.status_code': status });
        if (error !== null) span.fail(error);
        else if (status !== null && status >= 400) span.failed(String(status), '');
        span.end();
      },
    };
  };
}
