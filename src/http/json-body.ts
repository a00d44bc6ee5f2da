import { CodedError } from '../../sandbox-apis/_kit/errors.ts';

/** Bytes; ample for any core request, while packages are uploaded on a route of their own. */
export const BODY_LIMIT = 1024 * 1024;

const JSON_TYPE = /^application\/([a-z0-9.+-]+\+)?json$/i;

/**
 * Reads a JSON body of limited size, whatever its framing; undefined when there is none. For `onParse`.
 * Errors: `payload_too_large` (extra: `limit`), `unsupported_media_type`, `bad_request`.
 *
 * @param contentType media type without parameters; empty when not sent
 * @param limit bytes
 */
export async function readJsonBody(request: Request, contentType: string, limit = BODY_LIMIT): Promise<unknown> {
  const declared = request.headers.get('content-length');
  if (request.body === null || declared === '0') return undefined;
  if (declared !== null && Number(declared) > limit) throw tooLarge(limit);
  const bytes = await readLimited(request.body, limit);
  if (bytes.byteLength === 0) return undefined;
  if (!JSON_TYPE.test(contentType)) {
    throw new CodedError('unsupported_media_type', `Send application/json instead of "${contentType}"`);
  }
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    // What the parser says quotes the body, which may hold a password.
    throw new CodedError('bad_request', 'The body is not JSON in UTF-8');
  }
}

/** Reads a whole body. Errors: `payload_too_large` when it is over `limit` bytes. */
export async function readLimited(body: ReadableStream<Uint8Array>, limit: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of body) {
    size += chunk.byteLength;
    if (size > limit) throw tooLarge(limit);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

export function tooLarge(limit: number): CodedError {
  return new CodedError('payload_too_large', `The body is larger than ${limit} bytes`, { limit });
}
