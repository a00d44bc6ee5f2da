import { CodedError } from '../_kit/errors.ts';
import type { HeaderPair } from './headers.ts';
import { parseTarget, type Target } from './permission.ts';
import type { RequestBody } from './request-body.ts';

/** One request of a chain. */
export interface Hop {
  readonly method: string;
  readonly target: Target;
  readonly headers: readonly HeaderPair[];
  readonly body: RequestBody | null;
}

const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);
const BODY_HEADERS: ReadonlySet<string> = new Set([
  'content-encoding',
  'content-language',
  'content-location',
  'content-type',
]);
const CREDENTIALS: ReadonlySet<string> = new Set(['authorization', 'cookie']);

export function isRedirect(status: number): boolean {
  return REDIRECTS.has(status);
}

/**
 * The request that follows a redirect, by the Fetch standard's "HTTP-redirect fetch": POST becomes GET on 301 and 302,
 * all but GET and HEAD on 303; credentials go no further than their origin (cookies too, which a browser would manage).
 * @throws CodedError `network_failed` for a place that is not fetched, or a body that cannot be sent twice
 */
export function redirected(hop: Hop, status: number, location: string): Hop {
  const target = locate(hop.target.url, location);
  const toGet =
    ((status === 301 || status === 302) && hop.method === 'POST') ||
    (status === 303 && hop.method !== 'GET' && hop.method !== 'HEAD');
  if (!toGet && hop.body?.kind === 'stream') {
    throw new CodedError('network_failed', `Redirected (${status}), and a streamed body cannot be sent again`, {
      reason: 'redirect',
    });
  }
  const crossOrigin = target.url.origin !== hop.target.url.origin;
  const headers = hop.headers.filter(([name]) => {
    const key = name.toLowerCase();
    return !((toGet && BODY_HEADERS.has(key)) || (crossOrigin && CREDENTIALS.has(key)));
  });
  return { method: toGet ? 'GET' : hop.method, target, headers, body: toGet ? null : hop.body };
}

function locate(base: URL, location: string): Target {
  try {
    return parseTarget(new URL(location, base).href);
  } catch (error) {
    const why = error instanceof CodedError ? error.message : 'url: not a valid URL';
    throw new CodedError('network_failed', `Redirected to a place that is not fetched (${why})`, {
      reason: 'redirect',
    });
  }
}
