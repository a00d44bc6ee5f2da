import { CodedError } from '../_kit/errors.ts';

export type HeaderPair = [name: string, value: string];

const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
const VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;

/** Hop-by-hop and framing headers (RFC 9110 7.6.1): the core frames the message and chooses the host, not the guest. */
const HOP_BY_HOP: ReadonlySet<string> = new Set([
  'connection',
  'content-length',
  'expect',
  'host',
  'http2-settings',
  'keep-alive',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

const isHopByHop = (name: string): boolean => HOP_BY_HOP.has(name) || name.startsWith('proxy-');

/**
 * The guest's headers, without those that are the core's.
 * @throws CodedError `invalid_input` for a name or value that could not stand in a header line (CR, LF, NUL, non-latin1)
 */
export function requestHeaders(pairs: readonly (readonly [string, string])[]): HeaderPair[] {
  const out: HeaderPair[] = [];
  for (const [name, value] of pairs) {
    if (!TOKEN.test(name)) throw new CodedError('invalid_input', 'headers: a header name is not valid');
    if (!VALUE.test(value)) throw new CodedError('invalid_input', `headers: the value of "${name}" is not valid`);
    if (!isHopByHop(name.toLowerCase())) out.push([name, value]);
  }
  return out;
}

/** The request with the core's `traceparent`, unless the guest has one of its own. */
export function withTraceparent<H extends { readonly headers: readonly HeaderPair[] }>(
  request: H,
  traceparent: string | null,
): H {
  const own = request.headers.some(([name]) => name.toLowerCase() === 'traceparent');
  return traceparent === null || own
    ? request
    : { ...request, headers: [...request.headers, ['traceparent', traceparent]] };
}

/** All header lines of a request, names and values in turn: what the guest did not say is filled in. */
export function headerLines(
  host: string,
  pairs: readonly HeaderPair[],
  userAgent: string,
  framing: HeaderPair | null,
): string[] {
  const names = new Set(pairs.map(([name]) => name.toLowerCase()));
  const defaults: HeaderPair[] = [
    ['Accept', '*/*'],
    ['Accept-Encoding', 'gzip, br'],
    ['User-Agent', userAgent],
  ];
  const missing = defaults.filter(([name]) => !names.has(name.toLowerCase()));
  return ['Host', host, ...[...pairs, ...missing, ...(framing ? [framing] : [])].flat()];
}

/**
 * Headers of an answer, as the guest sees them: what described the connection is gone, and with `decoded` also the
 * coding and length that the body no longer has.
 * @param raw names and values in turn, as node:http gives them
 * @throws CodedError `network_failed` when there are more than `maxCount` or one is not valid
 */
export function responseHeaders(raw: readonly string[], decoded: boolean, maxCount: number): HeaderPair[] {
  if (raw.length / 2 > maxCount) {
    throw new CodedError('network_failed', `The answer has more than ${maxCount} headers`, { reason: 'headers' });
  }
  const out: HeaderPair[] = [];
  for (let i = 0; i + 1 < raw.length; i += 2) {
    const name = (raw[i] ?? '').toLowerCase();
    const value = raw[i + 1] ?? '';
    if (!TOKEN.test(name) || !VALUE.test(value)) {
      throw new CodedError('network_failed', 'The answer has a header that is not valid', { reason: 'headers' });
    }
    const length = name === 'content-length';
    if (decoded && (length || name === 'content-encoding')) continue;
    if (length || !isHopByHop(name)) out.push([name, value]);
  }
  return out;
}
