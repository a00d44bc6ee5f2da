/** For answers that are data: nothing may run, frame or keep them. */
export const API_HEADERS = {
  'cache-control': 'no-store',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'; sandbox",
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
} as const;

/**
 * For our own pages, which load scripts and styles from our origin only. Styles may be inline because Swagger UI sets
 * them on elements; images may be data because it draws its icons so.
 */
export const PAGE_HEADERS = {
  ...API_HEADERS,
  'cache-control': 'no-cache',
  'content-security-policy': [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self' 'unsafe-inline'",
    "img-src 'self' data:",
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; '),
} as const;

/** Tells browsers to come over TLS for a year (RFC 6797); only where they do already. */
export const HSTS_HEADER = { 'strict-transport-security': 'max-age=31536000' } as const;
