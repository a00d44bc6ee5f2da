import { CodedError } from '../../sandbox-apis/_kit/errors.ts';

/**
 * Refuses a request whose address or framing can be read in two ways (ADVERSARY 78, 80): a proxy before the core, the
 * gateway and the core's own router all have to mean the same thing by it. Bun's server has refused what is no HTTP, and
 * resolved `.`, `..` and `\` in the path.
 *
 * @returns null when it is well formed, which costs well below a microsecond
 */
export function shapeProblem(request: Request): CodedError | null {
  const { url, method } = request;
  if (method === 'CONNECT' || method === 'TRACE')
    return new CodedError('method_not_allowed', `${method} is not answered`);
  // RFC 9112, 3.2: a fragment is no part of a request's target.
  if (url.includes('#')) return new CodedError('bad_request', 'The address has a fragment');
  const pathStart = url.indexOf('/', url.indexOf('://') + 3);
  const queryStart = url.indexOf('?', pathStart);
  const path = url.slice(pathStart, queryStart < 0 ? undefined : queryStart);
  if (path.includes('//')) return new CodedError('bad_request', 'The path has an empty segment');
  if (path.includes('%') && !isPlainlyEncoded(path)) {
    return new CodedError('bad_request', 'The path is ambiguous, or not valid UTF-8');
  }
  // The server joins what came twice.
  if (request.headers.get('host')?.includes(',')) return new CodedError('bad_request', 'There is more than one Host');
  if (method !== 'GET' && request.headers.get('content-length')?.includes(',')) {
    return new CodedError('bad_request', 'There is more than one Content-Length');
  }
  return null;
}

/** No separators, no control characters, nothing overlong or cut off. */
function isPlainlyEncoded(path: string): boolean {
  if (/%(?:[01][0-9a-f]|2f|5c|7f)/i.test(path)) return false;
  try {
    decodeURIComponent(path);
    return true;
  } catch {
    return false;
  }
}
