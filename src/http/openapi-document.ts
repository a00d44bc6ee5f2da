import { toOpenAPISchema } from '@elysiajs/openapi';
import { type AnyElysia, t } from 'elysia';
import type { OpenAPIV3 } from 'openapi-types';
import { version } from '../../package.json' with { type: 'json' };
import { ERRORS } from '../../sandbox-apis/_kit/errors.ts';

const OPENAPI_VERSION = '3.1.0';
const METHODS = ['get', 'put', 'post', 'delete', 'patch', 'options', 'head', 'trace'] as const;

const ProblemSchema = t.Object(
  {
    type: t.String({ format: 'uri-reference' }),
    title: t.String(),
    status: t.Integer(),
    detail: t.String(),
    instance: t.String(),
    code: t.String({ enum: Object.keys(ERRORS) }),
    errors: t.Optional(t.Array(t.Object({ pointer: t.String(), message: t.String() }))),
  },
  { additionalProperties: true },
);

const PROBLEM: OpenAPIV3.ReferenceObject = { $ref: '#/components/responses/Problem' };

/** The OpenAPI paths of an app's own routes; each operation may answer a problem document. */
export function corePaths(app: AnyElysia): Record<string, object> {
  const routes = app.routes.map((route) => ({ ...route, hooks: { ...route.hooks, ...jsonParse(route.hooks) } }));
  // The generator asks an app for no more than this.
  const source = { getGlobalRoutes: () => routes } as unknown as AnyElysia;
  const { paths } = toOpenAPISchema(source, { methods: ['options', 'head'] });
  for (const path of Object.values(paths)) {
    for (const method of METHODS) {
      const operation = path?.[method];
      if (operation) operation.responses = { ...noContent(operation), ...operation.responses, default: PROBLEM };
    }
  }
  return paths as Record<string, object>;
}

/**
 * The whole document. Paths of plugins come second and never replace one of the core.
 *
 * @param paths OpenAPI path items by path template, each list over the ones after it
 */
export function openapiDocument(...paths: readonly Record<string, object>[]): object {
  return {
    openapi: OPENAPI_VERSION,
    info: {
      title: 'StreamSpace',
      version,
      description: 'The core and the endpoints of the plugins that are enabled at the moment.',
    },
    tags: [
      { name: 'auth', description: 'Signing in, and API tokens' },
      { name: 'users', description: 'Who may use the platform' },
      { name: 'operations', description: 'For whom runs it' },
    ],
    paths: Object.assign({}, ...paths.toReversed()),
    components: {
      schemas: { Problem: ProblemSchema },
      responses: {
        Problem: {
          description: 'A problem document (RFC 9457); `code` is one of docs/errors.md',
          content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
        },
      },
      securitySchemes: {
        bearer: { type: 'http', scheme: 'bearer', description: 'The token of a login, or an API token' },
        session: {
          type: 'apiKey',
          in: 'cookie',
          name: 'streamspace',
          description: 'Set by a login (over TLS as `__Host-streamspace`); changes need the header X-CSRF-Token too',
        },
      },
    },
  };
}

/** Our parser is a function, of which the generator knows nothing; it takes JSON. */
function jsonParse(hooks: { parse?: unknown }): object {
  const parsers = Array.isArray(hooks.parse) ? hooks.parse : [];
  const own = parsers.length > 0 && parsers.every((parser) => typeof parser?.fn === 'function');
  return own ? { parse: [{ fn: 'json' }] } : {};
}

/** Operations must describe at least one answer; those without a schema answer nothing. */
function noContent(operation: OpenAPIV3.OperationObject): OpenAPIV3.ResponsesObject {
  return operation.responses && Object.keys(operation.responses).length > 0 ? {} : { '2XX': { description: 'Done' } };
}
