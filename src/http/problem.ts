import { Elysia, ParseError, ValidationError } from 'elysia';
import { CodedError, ERRORS, type Issue } from '../../sandbox-apis/_kit/errors.ts';
import type { Log } from '../log.ts';
import type { Metrics } from '../metrics/metrics.ts';

export interface ProblemDeps {
  readonly log: Log;
  readonly metrics: Pick<Metrics, 'http'>;
  /** The methods that a path answers; none when it is unknown. */
  readonly allowedMethods: (path: string) => readonly string[];
}

/** Where a code is explained; the `type` of its problem documents. */
export function problemType(code: string): string {
  return `/api/docs/errors#${code}`;
}

/**
 * Answers a coded error as `application/problem+json` (RFC 9457): type, title, status, detail, instance, `code`, and the
 * error's extra members. `extra.retryAfter` (seconds) and `extra.allow` (methods) become headers too.
 *
 * @param instance path of the request
 */
export function problemResponse(error: CodedError, instance: string): Response {
  const { status, title } = ERRORS[error.code];
  const { retryAfter, allow } = error.extra;
  const headers = new Headers({
    'content-type': 'application/problem+json',
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
  });
  if (typeof retryAfter === 'number') headers.set('retry-after', String(Math.ceil(retryAfter)));
  if (Array.isArray(allow)) headers.set('allow', allow.join(', '));
  if (status === 401) headers.set('www-authenticate', 'Bearer realm="streamspace"');
  const base = { type: problemType(error.code), title, status, detail: error.message, instance, code: error.code };
  return new Response(JSON.stringify({ ...error.extra, ...base }), { status, headers });
}

/** Turns whatever a route threw into problem documents, for the whole app. Unknown errors are logged under an id. */
export function problems({ log, metrics, allowedMethods }: ProblemDeps) {
  return new Elysia({ name: 'problems' }).decorate('startedAt', 0).onError({ as: 'global' }, (context) => {
    const { error, code, request, set } = context;
    const url = new URL(request.url);
    const path = url.pathname;
    let coded = code === 'NOT_FOUND' ? unrouted(path, allowedMethods(path)) : toCoded(error, url);
    if (coded === null) {
      const errorId = crypto.randomUUID();
      log.error({ err: error, errorId, method: request.method, path }, 'a request failed');
      coded = new CodedError('internal', ERRORS.internal.title, { errorId });
    }
    const response = problemResponse(coded, path);
    // Elysia tells what runs after the answer by `set`, not by the response.
    set.status = response.status;
    if (code === 'NOT_FOUND') {
      metrics.http.observe('ANY', 'unmatched', response.status, (performance.now() - context.startedAt) / 1000);
    }
    return response;
  });
}

function unrouted(path: string, allow: readonly string[]): CodedError {
  if (allow.length === 0) return new CodedError('not_found', `There is nothing at ${path}`);
  return new CodedError('method_not_allowed', `${path} answers ${allow.join(', ')}`, { allow });
}

/** The coded form of an error, or null when it is a fault of ours. */
function toCoded(error: unknown, url: URL): CodedError | null {
  if (error instanceof CodedError) return error.code === 'internal' ? null : error;
  if (error instanceof ParseError) {
    return error.cause instanceof CodedError ? error.cause : new CodedError('bad_request', 'The body cannot be parsed');
  }
  if (error instanceof ValidationError && error.type !== 'response') return invalid(error, url);
  return null;
}

/** One issue a place: TypeBox reports a missing property twice. Values are left out, they may be passwords. */
function invalid(error: ValidationError, url: URL): CodedError {
  const issues = new Map<string, Issue & { in?: string }>();
  for (const { path, message } of error.all) {
    const place = error.type === 'property' ? numberPlace(error.value, url) : { in: error.type, pointer: path };
    const key = `${place.in}${place.pointer}`;
    if (issues.has(key)) continue;
    issues.set(key, { pointer: place.pointer, message, ...(place.in === 'body' ? {} : { in: place.in }) });
  }
  const errors = [...issues.values()];
  const [place, issue] = [...issues][0] ?? [];
  const detail = issue ? `${place}: ${issue.message}` : ERRORS.validation_failed.title;
  return new CodedError('validation_failed', detail, { errors });
}

/** Of a number in the query or the path that is out of range Elysia tells only the value: named when that is clear. */
function numberPlace(value: unknown, url: URL): { in: string; pointer: string } {
  const names = [...url.searchParams].flatMap(([name, text]) => (Number(text) === value ? [name] : []));
  return names.length === 1 ? { in: 'query', pointer: `/${names[0]}` } : { in: 'request', pointer: '' };
}
