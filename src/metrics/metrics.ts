import { collectDefaultMetrics, Registry } from 'prom-client';
import { FastHistogram, type Series } from './histogram.ts';

/** What a request line may say is anything; series must not grow with it. */
const METHODS: ReadonlySet<string> = new Set([
  'GET',
  'HEAD',
  'POST',
  'PUT',
  'PATCH',
  'DELETE',
  'OPTIONS',
  'ANY',
  'OTHER',
]);
/** Seconds; from what the cache answers to what a slow plugin is allowed. */
const HTTP_BUCKETS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

export interface HttpMetrics {
  /**
   * Counts one answered request.
   *
   * @param route the pattern (`/api/users/:id`), never the path itself: series must not grow with ids
   */
  observe(method: string, route: string, status: number, seconds: number): void;
}

/** What `/metrics` shows. Others add their own series with `registers: [metrics.registry]`. */
export interface Metrics {
  readonly registry: Registry;
  readonly http: HttpMetrics;
}

/** Makes a registry with the process's series (CPU, memory, event loop) and the HTTP histogram. */
export function createMetrics(): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const histogram = new FastHistogram(
    registry,
    'streamspace_http_request_duration_seconds',
    'Time from request to answer by method, route pattern and status',
    HTTP_BUCKETS,
  );
  const known = new Map<string, Series>();
  return {
    registry,
    http: {
      observe(method, route, status, seconds) {
        const key = `${method} ${status} ${route}`;
        let series = known.get(key);
        if (series === undefined) {
          if (!METHODS.has(method)) return this.observe('OTHER', route, status, seconds);
          series = histogram.series({ method, route, status: String(status) });
          known.set(key, series);
        }
        series.observe(seconds);
      },
    },
  };
}
