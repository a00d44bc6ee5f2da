/**
 * What may pass between a client and a plugin. A plugin shares the core's origin, so nothing of the core's session
 * reaches it, and nothing that it answers may act on that origin (DESIGN 5, ADVERSARY 71-73).
 */

/** Of the request: credentials of the core, and what only means something to one connection (RFC 9110, 7.6.1). */
const KEPT_FROM_PLUGIN: ReadonlySet<string> = new Set([
  'authorization',
  'connection',
  'content-length',
  // Without the core's own: see `ownCookies`.
  'cookie',
  'expect',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'x-csrf-token',
]);

/** Of the answer: what acts on the whole origin, and what the core's own server writes. */
const KEPT_FROM_CLIENT: ReadonlySet<string> = new Set([
  'access-control-allow-credentials',
  'clear-site-data',
  'connection',
  'content-length',
  'content-security-policy',
  'keep-alive',
  'origin-agent-cluster',
  'proxy-authenticate',
  'public-key-pins',
  'refresh',
  'service-worker-allowed',
  'set-cookie',
  'sourcemap',
  'strict-transport-security',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'www-authenticate',
]);

/** The page may run and show what it brought, as an origin of its own: never as the core's. */
const SANDBOX = 'sandbox allow-scripts allow-forms allow-popups allow-downloads';

/** Cookies of the core, by the beginning of their name. */
const CORE_COOKIES = ['streamspace', '__Host-streamspace', '__Secure-streamspace'];

/** The headers of a request that a plugin sees, by name. */
export function requestHeaders(headers: Headers): Record<string, string> {
  const all = headers.toJSON() as Record<string, string>;
  const kept: Record<string, string> = {};
  // Copied and not deleted from: an object that lost a key is slow to turn into JSON.
  for (const name in all) if (!KEPT_FROM_PLUGIN.has(name)) kept[name] = all[name] as string;
  const cookies = all.cookie === undefined ? '' : ownCookies(all.cookie);
  if (cookies !== '') kept.cookie = cookies;
  return kept;
}

function ownCookies(header: string): string {
  return header
    .split(/;\s*/)
    .filter((cookie) => !CORE_COOKIES.some((prefix) => cookie.startsWith(prefix)))
    .join('; ');
}

/**
 * @param pairs as the plugin gave them; names in any case
 * @param path where the plugin lives: its cookies are sent back there and nowhere else
 */
export function responseHeaders(pairs: readonly (readonly [string, string])[], path: string): Headers {
  const headers = new Headers();
  let policy = SANDBOX;
  for (const [given, value] of pairs) {
    const name = given.toLowerCase();
    if (name === 'content-security-policy') policy = `${policy}, ${value}`;
    else if (name === 'set-cookie') addCookie(headers, value, path);
    else if (!KEPT_FROM_CLIENT.has(name)) headers.append(name, value);
  }
  headers.set('content-security-policy', policy);
  headers.set('x-content-type-options', 'nosniff');
  return headers;
}

function addCookie(headers: Headers, cookie: string, path: string): void {
  const [pair = '', ...attributes] = cookie.split(/;\s*/);
  const name = pair.slice(0, pair.indexOf('=')).trim();
  if (
    name === '' ||
    name.startsWith('__') ||
    CORE_COOKIES.some((prefix) => name.toLowerCase().startsWith(prefix.toLowerCase()))
  )
    return;
  const kept = attributes.filter((attribute) => /^(max-age|expires|httponly|secure|samesite)(=|$)/i.test(attribute));
  headers.append('set-cookie', [pair, ...kept, `Path=${path}`].join('; '));
}
