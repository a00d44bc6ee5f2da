import { Elysia } from 'elysia';
import type { Metrics } from '../metrics/metrics.ts';

/** Gives each request of the app `startedAt`, in ms of `performance.now()`. */
export function requestClock() {
  return new Elysia({ name: 'request-clock' }).decorate('startedAt', 0).onRequest((context) => {
    context.startedAt = performance.now();
  });
}

/** Counts each answered request of the routes that come after it, by route pattern. */
export function requestMetrics(http: Metrics['http']) {
  return new Elysia({ name: 'request-metrics' })
    .use(requestClock())
    .onAfterResponse({ as: 'scoped' }, ({ request, route, set, responseValue, startedAt }) => {
      const own = responseValue instanceof Response ? responseValue.status : set.status;
      const status = typeof own === 'number' ? own : 200;
      http.observe(request.method, route, status, (performance.now() - startedAt) / 1000);
    });
}
