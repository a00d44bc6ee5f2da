import { createHash, createHmac, timingSafeEqual } from 'node:crypto';

/** A request as it came over the wire. */
export interface SignedRequest {
  readonly method: string;
  /** Path and query, as they were sent. */
  readonly target: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
}

const SCHEME = /^AWS4-HMAC-SHA256 Credential=([^/]+)\/([^,]+), ?SignedHeaders=([^,]+), ?Signature=([0-9a-f]{64})$/;

/**
 * Judges a signature after AWS Signature Version 4 as S3 wants it: the path is encoded once, the body's digest is in
 * `x-amz-content-sha256`, in headers or, for a presigned URL, in the query.
 *
 * @returns null when it is right, else the code that S3 answers with
 */
export function judgeSignature(request: SignedRequest, keys: Readonly<Record<string, string>>): string | null {
  const [path = '', query = ''] = request.target.split('?');
  const params =
    query === ''
      ? []
      : query.split('&').map((pair): [string, string] => [pair.split('=')[0] ?? '', pair.split('=')[1] ?? '']);
  const signed = readScheme(request, params);
  if (signed === null) return 'AccessDenied';
  const { accessKey, scope, names, signature, date, payload } = signed;
  const secret = keys[accessKey];
  if (secret === undefined) return 'InvalidAccessKeyId';
  if (/^[0-9a-f]{64}$/.test(payload) && payload !== sha256(request.body)) return 'XAmzContentSHA256Mismatch';
  const canonicalRequest = [
    request.method,
    path.split('/').map(canonical).join('/'),
    params
      .filter(([name]) => name !== 'X-Amz-Signature')
      .map((pair) => pair.map(canonical).join('='))
      .sort()
      .join('&'),
    ...names.map((name) => `${name}:${(request.headers[name] ?? '').trim().replace(/ +/g, ' ')}`),
    '',
    names.join(';'),
    payload,
  ].join('\n');
  const text = ['AWS4-HMAC-SHA256', date, scope, sha256(canonicalRequest)].join('\n');
  const key = scope.split('/').reduce<Buffer | string>((last, part) => hmac(last, part), `AWS4${secret}`);
  return timingSafeEqual(hmac(key, text), Buffer.from(signature, 'hex')) ? null : 'SignatureDoesNotMatch';
}

function readScheme({ headers }: SignedRequest, params: readonly [string, string][]) {
  const query = new Map(params.map(([name, value]) => [name, decodeURIComponent(value)]));
  const header = SCHEME.exec(headers.authorization ?? '');
  if (header !== null) {
    const [, accessKey = '', scope = '', names = '', signature = ''] = header;
    const payload = headers['x-amz-content-sha256'] ?? '';
    return { accessKey, scope, names: names.split(';'), signature, date: headers['x-amz-date'] ?? '', payload };
  }
  const signature = query.get('X-Amz-Signature') ?? '';
  if (!/^[0-9a-f]{64}$/.test(signature)) return null;
  const [accessKey = '', ...scope] = (query.get('X-Amz-Credential') ?? '').split('/');
  const names = (query.get('X-Amz-SignedHeaders') ?? '').split(';');
  const date = query.get('X-Amz-Date') ?? '';
  return { accessKey, scope: scope.join('/'), names, signature, date, payload: 'UNSIGNED-PAYLOAD' };
}

/** Encoded as AWS does it, however the sender did. */
function canonical(part: string): string {
  const hex = (character: string) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`;
  return encodeURIComponent(decodeURIComponent(part)).replace(/[!'()*]/g, hex);
}

function sha256(data: string | Uint8Array): string {
  return createHash('sha256').update(data).digest('hex');
}

function hmac(key: Buffer | string, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest();
}
