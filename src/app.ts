import { type AnyElysia, Elysia } from 'elysia';
import type { Auth } from './auth/service.ts';
import type { Config } from './config.ts';
import { authRoutes } from './http/auth.ts';
import { docsRoutes } from './http/docs.ts';
import { type Check, healthRoutes } from './http/health.ts';
import { readJsonBody } from './http/json-body.ts';
import { metricsRoutes } from './http/metrics.ts';
import { corePaths } from './http/openapi-document.ts';
import { problems } from './http/problem.ts';
import { requestClock, requestMetrics } from './http/request-clock.ts';
import { API_HEADERS, HSTS_HEADER } from './http/security-headers.ts';
import { tokenRoutes } from './http/tokens.ts';
import { userRoutes } from './http/users.ts';
import type { Log } from './log.ts';
import type { Metrics } from './metrics/metrics.ts';
import { nameRoute } from './telemetry/route.ts';
import { currentSpan } from './telemetry/scope.ts';
import type { Users } from './users/service.ts';

export interface AppDeps {
  readonly config: Pick<Config, 'trustProxy'>;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly auth: Auth;
  readonly users: Users;
  readonly phase: () => 'starting' | 'ready' | 'stopping';
  readonly readiness: () => Promise<readonly Check[]>;
  /** OpenAPI path items of plugin endpoints, by path. */
  readonly pluginPaths: () => Record<string, object>;
  /** Further core resources: JSON bodies up to 1 MiB, API headers, counted by route. */
  readonly routes: readonly AnyElysia[];
  /** What reads bodies and writes headers by itself: the gateway, uploads, the UI. Only its errors are shaped here. */
  readonly rawRoutes: readonly AnyElysia[];
}

const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'];

/** Composes the HTTP side of the core, one plugin a resource; listening is up to the caller. */
export function createApp(deps: AppDeps): AnyElysia {
  const { auth, users, config, log, metrics, phase, readiness, pluginPaths } = deps;
  const app: AnyElysia = new Elysia({ normalize: false })
    .use(requestClock())
    .use(problems({ log, metrics, allowedMethods: (path) => allowedMethods(app, path) }))
    .onBeforeHandle(({ request, route }) => {
      const span = currentSpan();
      if (span !== null) nameRoute(span, request.method, route);
    });
  const headers = { ...API_HEADERS, ...(auth.publicOrigin?.startsWith('https:') ? HSTS_HEADER : {}) };

  const core = new Elysia({ normalize: false })
    .use(requestMetrics(metrics.http))
    .onParse(({ request, contentType }) => readJsonBody(request, contentType))
    .onBeforeHandle(({ set }) => {
      Object.assign(set.headers, headers);
    })
    .use(healthRoutes({ phase, readiness }))
    .use(metricsRoutes({ metrics, auth }))
    .use(docsRoutes({ corePaths: once(() => corePaths(app)), pluginPaths }))
    .use(authRoutes({ auth, users, config }))
    .use(tokenRoutes({ auth }))
    .use(userRoutes({ users, auth }));

  for (const routes of deps.routes) core.use(routes);
  app.use(core);
  for (const routes of deps.rawRoutes) app.use(routes);
  return app;
}

function allowedMethods({ router }: AnyElysia, path: string): string[] {
  return METHODS.filter(
    (method) => router.static[path]?.[method] !== undefined || router.http.find(method, path) !== null,
  );
}

function once<T>(make: () => T): () => T {
  let made: { readonly value: T } | null = null;
  return () => {
    made ??= { value: make() };
    return made.value;
  };
}
