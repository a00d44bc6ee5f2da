import type { RouteRegistration } from '../../sandbox-apis/_kit/registrations.ts';
import type { Lifecycle } from '../plugins/lifecycle.ts';

const ALL_METHODS = ['get', 'post', 'put', 'patch', 'delete'];

/** OpenAPI path items of what the running plugins (and those that hibernate) registered, at this moment. */
export function pluginPaths(lifecycle: Lifecycle): Record<string, object> {
  const paths: Record<string, Record<string, object>> = {};
  for (const plugin of lifecycle.list()) {
    for (const route of plugin.registrations?.routes ?? []) {
      const path = `/api/plugins/${plugin.name}${route.path.replace(/:([^/]+)/g, '{$1}').replace(/\*$/, '{path}')}`;
      const methods = route.method === 'ALL' ? ALL_METHODS : [route.method.toLowerCase()];
      const item = paths[path] ?? {};
      for (const method of methods) item[method] ??= operation(plugin.name, method, route);
      paths[path] = item;
    }
  }
  return paths;
}

function operation(plugin: string, method: string, route: RouteRegistration): object {
  const { validation, auth, summary, permissions, rateLimit } = route;
  const inPath = [...route.path.matchAll(/:([^/]+)/g)].map((match) => match[1] as string);
  if (route.path.endsWith('*')) inPath.push('path');
  const query = (validation?.query as { properties?: Record<string, object>; required?: string[] } | undefined) ?? {};
  return {
    operationId: `${plugin}-${method}-${route.path.replace(/[^A-Za-z0-9]+/g, '-')}`,
    tags: [plugin],
    ...(summary === null ? {} : { summary }),
    description: [
      auth === 'admin' ? 'For admins.' : '',
      permissions.length > 0 ? `Needs ${permissions.join(', ')}.` : '',
      rateLimit === null ? '' : `At most ${rateLimit.max} calls in ${rateLimit.windowMs / 1000} s.`,
    ]
      .filter((sentence) => sentence !== '')
      .join(' '),
    security: auth === 'public' ? [] : [{ bearer: [] }, { session: [] }],
    parameters: [
      ...inPath.map((name) => ({ name, in: 'path', required: true, schema: { type: 'string' } })),
      ...Object.entries(query.properties ?? {}).map(([name, schema]) => ({
        name,
        in: 'query',
        required: query.required?.includes(name) ?? false,
        schema,
      })),
    ],
    ...(validation?.body === undefined
      ? {}
      : { requestBody: { required: true, content: { 'application/json': { schema: validation.body } } } }),
    responses: { default: { description: 'What the plugin answers' } },
  };
}
