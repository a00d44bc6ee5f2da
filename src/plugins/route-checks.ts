import { CodedError, type Issue } from '../../sandbox-apis/_kit/errors.ts';
import type { RouteRegistration } from '../../sandbox-apis/_kit/registrations.ts';
import { compileSchema, type SchemaCheck } from '../schema/check.ts';

/** The compiled `validation` of an endpoint. */
export interface RouteChecks {
  readonly body: SchemaCheck | null;
  readonly query: SchemaCheck | null;
  readonly params: SchemaCheck | null;
}

export function routeChecks({ validation }: RouteRegistration): RouteChecks | null {
  if (validation === null) return null;
  const compile = (schema: unknown): SchemaCheck | null => (schema === undefined ? null : compileSchema(schema));
  return {
    body: compile(validation.body),
    query: compile(validation.query),
    params: compile(validation.params),
  };
}

/** What a request came with; `query` is null unless the endpoint checks it. */
export interface RequestParts {
  readonly params: Record<string, string>;
  readonly search: string;
  readonly body: Uint8Array | null;
}

export interface CheckedParts {
  readonly params: Record<string, unknown>;
  readonly query: Record<string, unknown> | null;
  /** The body with defaults filled in, as JSON text. */
  readonly body: string | null;
}

/**
 * Checks a request against an endpoint's schemas, and converts as they say.
 *
 * @throws CodedError `validation_failed` with all issues, `bad_request` for a body that is not JSON
 */
export function checkRequest(checks: RouteChecks, parts: RequestParts): CheckedParts {
  const issues: Issue[] = [];
  const collect = (part: string, found: readonly Issue[]): void => {
    for (const issue of found) issues.push({ pointer: `/${part}${issue.pointer}`, message: issue.message });
  };
  const params = checks.params?.coerce(parts.params);
  if (params !== undefined) collect('params', params.issues);
  const query = checks.query?.coerce(queryOf(parts.search));
  if (query !== undefined) collect('query', query.issues);
  const body = checks.body?.fill(jsonOf(parts.body));
  if (body !== undefined) collect('body', body.issues);
  if (issues.length > 0) {
    const first = issues[0] as Issue;
    throw new CodedError('validation_failed', `${first.pointer} ${first.message}`, { errors: issues });
  }
  return {
    params: (params?.value as Record<string, unknown> | undefined) ?? parts.params,
    query: (query?.value as Record<string, unknown> | undefined) ?? null,
    body: body === undefined ? null : JSON.stringify(body.value),
  };
}

/** Query parameters by name; one that is there twice is an array. */
function queryOf(search: string): Record<string, unknown> {
  const query: Record<string, unknown> = Object.create(null);
  for (const [name, value] of new URLSearchParams(search)) {
    const before = query[name];
    query[name] = before === undefined ? value : Array.isArray(before) ? [...before, value] : [before, value];
  }
  return { ...query };
}

function jsonOf(bytes: Uint8Array | null): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes ?? new Uint8Array()));
  } catch {
    throw new CodedError('bad_request', 'The body is not JSON');
  }
}
