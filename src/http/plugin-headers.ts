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
  'cookie2',
  'expect',
  'http2-settings',
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

/**
 * Of the answer: what acts on the whole origin and outlives the answer, what a proxy before the core would obey, and what
 * the core's own server writes.
 */
const KEPT_FROM_CLIENT: ReadonlySet<string> = new Set([
  'accept-ch',
  'access-control-allow-credentials',
  'access-control-allow-private-network',
  'alt-svc',
  'authentication-info',
  'clear-site-data',
  'connection',
  'content-length',
  'content-security-policy',
  'content-type',
  'critical-ch',
  'expect-ct',
  'keep-alive',
  'location',
  // Reports of every request to the origin, sent wherever the plugin says.
  'nel',
  'origin-agent-cluster',
  'proxy-authenticate',
  'proxy-authentication-info',
  'proxy-connection',
  'public-key-pins',
  'public-key-pins-report-only',
  'refresh',
  'report-to',
  'service-worker-allowed',
  'set-cookie',
  'set-cookie2',
  'set-login',
  'sourcemap',
  'strict-transport-security',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'use-as-dictionary',
  'www-authenticate',
  // nginx, Apache, lighttpd, LiteSpeed and Perlbal answer with a file of their own in place of what they got.
  'x-accel-redirect',
  'x-lighttpd-send-file',
  'x-litespeed-location',
  'x-reproxy-file',
  'x-reproxy-url',
  'x-sendfile',
  'x-sendfile-temporary',
  'x-sendfile2',
  'x-sourcemap',
]);

/** Where the handler is in its trace (W3C Trace Context). */
export interface TraceContext {
  readonly traceparent: string;
  readonly tracestate: string | null;
}

/** The page may run and show what it brought, as an origin of its own: never as the core's. */
const SANDBOX = 'sandbox allow-scripts allow-forms allow-popups allow-downloads';

/** Cookies of the core, by the beginning of their name. */
const CORE_COOKIES = ['streamspace', '__Host-streamspace', '__Secure-streamspace'];

/**
 * The headers of a request that a plugin sees, as field lines: `name:value\n` each. The guest reads them when its handler
 * asks for one, which most never do. (No name or value has a line break: the server sees to it.)
 *
 * @param span of the handler, when it is traced
 */
export function requestHeaders(headers: Headers, span: TraceContext | null): string {
  const all = headers.toJSON() as Record<string, string>;
  if (span !== null) {
    // The plugin continues the trace from its handler, not from the client.
    all.traceparent = span.traceparent;
    if (span.tracestate === null) delete all.tracestate;
    else all.tracestate = span.tracestate;
  }
  let lines = '';
  for (const name in all) if (!KEPT_FROM_PLUGIN.has(name)) lines += `${name}:${all[name]}\n`;
  const cookies = all.cookie === undefined ? '' : ownCookies(all.cookie);
  return cookies === '' ? lines : `${lines}cookie:${cookies}\n`;
}

function ownCookies(header: string): string {
  return header
    .split(/;\s*/)
    .filter((cookie) => !isOfCore(cookie.trim()))
    .join('; ');
}

function isOfCore(cookie: string): boolean {
  const name = cookie.toLowerCase();
  return CORE_COOKIES.some((prefix) => name.startsWith(prefix.toLowerCase()));
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
    else if (name === 'content-type') headers.set(name, contentType(value));
    else if (name === 'location' && isWebAddress(value)) headers.append(name, value);
    else if (!KEPT_FROM_CLIENT.has(name)) headers.append(name, value);
  }
  headers.set('content-security-policy', policy);
  headers.set('x-content-type-options', 'nosniff');
  return headers;
}

/**
 * A browser reads the headers of each part of a multipart answer as if they were the server's, cookies among them
 * (Firefox: multipart/x-mixed-replace, mixed, byteranges). So none is shown as such.
 */
function contentType(value: string): string {
  return /multipart\/(?!form-data)/i.test(value) ? 'application/octet-stream' : value;
}

/** Whether it leads to the web: not to `javascript:`, `data:`, `file:`, which some clients follow. */
function isWebAddress(location: string): boolean {
  return /^https?:$/.test(URL.parse(location, 'http://localhost/')?.protocol ?? '');
}

function addCookie(headers: Headers, cookie: string, path: string): void {
  const [pair = '', ...attributes] = cookie.split(/;\s*/);
  // One without a name has its value sent in its place: `=streamspace=x` and `streamspace` would come back as the core's.
  const name = pair.slice(0, Math.max(0, pair.indexOf('='))).trim();
  if (name === '' || name.startsWith('__') || isOfCore(name)) return;
  const kept = attributes.filter((attribute) => /^(max-age|expires|httponly|secure|samesite)(=|$)/i.test(attribute));
  headers.append('set-cookie', [pair, ...kept, `Path=${path}`].join('; '));
}
