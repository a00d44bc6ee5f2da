import type { Handlers } from '../_kit/contract.ts';
import { CodedError } from '../_kit/errors.ts';
import type { RegistrationSink } from '../_kit/registrations.ts';
import { API_LIMITS, type apiContract } from './contract.ts';

export interface ApiDeps {
  readonly registrations: RegistrationSink;
  /** Compiles the schemas, so that a bad one fails the registration and not the first request. */
  readonly checkSchema: (schema: unknown) => void;
}

/** First segments under a plugin's prefix that are the core's own (`GET /api/plugins/:id/logs`, ...). */
export const RESERVED_SEGMENTS: ReadonlySet<string> = new Set([
  'budget',
  'bulk',
  'data',
  'deliveries',
  'disable',
  'enable',
  'events',
  'grants',
  'heap-snapshot',
  'inspector',
  'jobs',
  'logs',
  'metrics',
  'post-mortems',
  'permissions',
  'profile',
  'reload',
  'restore-points',
  'rollback',
  'switches',
  'upgrade',
  'versions',
]);

export function createApiBroker(deps: ApiDeps): Handlers<typeof apiContract> {
  return {
    register(caller, input) {
      const path = canonicalPath(input.path);
      for (const [part, schema] of Object.entries(input.validation ?? {})) {
        if (JSON.stringify(schema).length > API_LIMITS.schemaBytes) {
          throw new CodedError('invalid_input', `validation.${part} is over ${API_LIMITS.schemaBytes} bytes`);
        }
        deps.checkSchema(schema);
      }
      return { id: deps.registrations.add(caller, { kind: 'route', ...input, path }) };
    },
    unregister(caller, { id }) {
      deps.registrations.remove(caller, id);
      return {};
    },
  };
}

/** One spelling for a path, with its parameters; refuses what could be read in two ways. */
export function canonicalPath(path: string): string {
  const segments = path.split('/').slice(1);
  const last = segments.length - 1;
  if (segments.at(-1) === '' && segments.length > 1) segments.pop();
  const names = new Set<string>();
  segments.forEach((segment, index) => {
    const where = `path "${path}"`;
    if (segment === '' && segments.length > 1) throw new CodedError('invalid_input', `${where}: an empty segment`);
    if (/^\.{1,2}$/.test(segment) || /%2e|%2f|%5c/i.test(segment)) {
      throw new CodedError('invalid_input', `${where}: "${segment}" is not allowed as a segment`);
    }
    if (segment.includes('*') && (segment !== '*' || index !== last)) {
      throw new CodedError('invalid_input', `${where}: "*" may only be the whole last segment`);
    }
    if (segment.includes(':')) {
      const name = /^:([A-Za-z_][A-Za-z0-9_]{0,63})$/.exec(segment)?.[1];
      if (name === undefined) {
        throw new CodedError('invalid_input', `${where}: "${segment}" is not a parameter (":name", the whole segment)`);
      }
      if (names.has(name)) throw new CodedError('invalid_input', `${where}: the parameter "${name}" is there twice`);
      names.add(name);
    }
  });
  if (RESERVED_SEGMENTS.has(segments[0] ?? '')) {
    throw new CodedError('registration_conflict', `path "${path}": /${segments[0]} is answered by the core`);
  }
  return `/${segments.join('/')}`;
}
