import type { TraceSpan } from './span.ts';

/** Names the span of a request after its route, of which there are few. @param route the pattern: `/api/users/:id` */
export function nameRoute(span: TraceSpan, method: string, route: string): void {
  span.rename(`${method} ${route}`);
  span.set({ 'http.route': route });
}
