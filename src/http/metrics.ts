import { Elysia } from 'elysia';
import { isLoopbackRequest } from '../auth/client-ip.ts';
import { admit } from '../auth/guard.ts';
import type { Resolver } from '../auth/resolve.ts';
import type { Metrics } from '../metrics/metrics.ts';

export interface MetricsRouteDeps {
  readonly metrics: Pick<Metrics, 'registry'>;
  readonly auth: Pick<Resolver, 'authenticate'>;
}

/**
 * `/metrics` in the Prometheus text format, for a scraper on this machine (loopback, no proxy in between) or an admin's
 * API token: the series name plugins and routes, which is nobody else's business.
 */
export function metricsRoutes({ metrics: { registry }, auth }: MetricsRouteDeps) {
  return new Elysia().get(
    '/metrics',
    async ({ request, server, set }) => {
      if (!isLoopbackRequest(request, server)) await admit(auth, request, 'admin');
      set.headers['content-type'] = registry.contentType;
      return registry.metrics();
    },
    { detail: { summary: 'Prometheus metrics; from loopback, or for admins', tags: ['operations'] } },
  );
}
