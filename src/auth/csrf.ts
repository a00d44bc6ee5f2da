import { CodedError } from '../../sandbox-apis/_kit/errors.ts';
import { csrfTokenOf, sameSecret } from './secrets.ts';

export const CSRF_HEADER = 'x-csrf-token';
const SAFE_METHODS = new Set(['GET', 'HEAD', 'OPTIONS']);

/** True for methods that change nothing (RFC 9110, 9.2.1) and so need no CSRF defence. */
export function isSafeMethod(method: string): boolean {
  return SAFE_METHODS.has(method);
}

/**
 * Refuses what a browser says comes from another origin. Clients that are no browsers send neither header and pass.
 * Errors: `csrf_failed`.
 */
export function checkOrigin(request: Request, publicOrigin: string | null): void {
  const site = request.headers.get('sec-fetch-site');
  if (site !== null && site !== 'same-origin' && site !== 'none') {
    throw new CodedError('csrf_failed', `A ${site} request cannot act with a session cookie`);
  }
  const origin = request.headers.get('origin');
  if (origin === null || origin === publicOrigin) return;
  // A proxy may end TLS before us, so without PUBLIC_URL only the host can be compared.
  if (URL.canParse(origin) && new URL(origin).host === request.headers.get('host')) return;
  throw new CodedError('csrf_failed', 'The Origin header names another site');
}

/**
 * The check for a request that a cookie authenticates: origin, and the token that only our own pages can read. Safe
 * methods pass. Errors: `csrf_failed`.
 */
export function checkCsrf(request: Request, sessionToken: string, publicOrigin: string | null): void {
  if (isSafeMethod(request.method)) return;
  checkOrigin(request, publicOrigin);
  const sent = request.headers.get(CSRF_HEADER);
  if (sent === null) throw new CodedError('csrf_failed', 'The X-CSRF-Token header is missing');
  if (!sameSecret(sent, csrfTokenOf(sessionToken))) {
    throw new CodedError('csrf_failed', 'The X-CSRF-Token header is not the one of this session');
  }
}
