import { CodedError } from '../../sandbox-apis/_kit/errors.ts';
import { type ByteRange, parseRange, resolveRange } from '../../sandbox-apis/files/range.ts';
import type { FileInfo, FilesService } from '../../sandbox-apis/files/service.ts';

/** What browsers show and cannot run; everything else is saved. */
const PASSIVE =
  /^(?:image\/(?:png|jpeg|gif|webp|avif|bmp)|(?:audio|video)\/[\w.+-]+|text\/(?:plain|csv)|application\/json)$/;
/** What a page could load into itself from its own origin. */
const LOADABLE = /(?:java|ecma|j|live)script|\bcss\b|wasm|multipart\/|x-www-form|event-stream/;

export interface FileRequest {
  /** GET or HEAD. */
  readonly method: string;
  readonly headers: Headers;
  /** Whether it is to be saved whatever it is. */
  readonly download: boolean;
}

/**
 * The answer to a request for a file (RFC 9110): etags, dates, one range, HEAD. Null when there is none.
 *
 * No page may become the core's by it, although it comes from the core's origin: it is sandboxed, its type is what it says,
 * what could act is saved in place of shown, and what a page could load as code or style says that it is neither.
 *
 * @throws CodedError `file_changed`, `range_not_satisfiable`, and what reading throws
 */
export async function answerFile(
  files: Pick<FilesService, 'get'>,
  plugin: string,
  path: string,
  request: FileRequest,
): Promise<Response | null> {
  let fresh = false;
  const found = await files.get(plugin, path, (info) => {
    demandMatch(request.headers, info);
    fresh = isFresh(request.headers, info);
    return fresh || request.method === 'HEAD' ? 'head' : rangeOf(request.headers, info);
  });
  if (found === null) return null;
  const { info, range, content } = found;
  const headers = headersOf(info, request.download);
  if (fresh) return new Response(null, { status: 304, headers });
  headers.set('content-length', String(range?.length ?? info.size));
  if (range !== null)
    headers.set('content-range', `bytes ${range.offset}-${range.offset + range.length - 1}/${info.size}`);
  const body =
    content === null
      ? null
      : content instanceof Uint8Array
        ? (content as Uint8Array<ArrayBuffer>)
        : unexplained(content);
  return new Response(body, { status: range === null ? 200 : 206, headers });
}

function headersOf({ path, etag, contentType, updatedAt }: FileInfo, download: boolean): Headers {
  const type = contentType.toLowerCase();
  const shown = !download && PASSIVE.test(type.split(';', 1)[0]?.trim() ?? '');
  return new Headers({
    'content-type': LOADABLE.test(type) ? 'application/octet-stream' : contentType,
    'content-disposition': `${shown ? 'inline' : 'attachment'}; ${fileName(path)}`,
    'content-security-policy':
      "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src 'self'; media-src 'self'",
    'x-content-type-options': 'nosniff',
    'referrer-policy': 'no-referrer',
    'accept-ranges': 'bytes',
    'cache-control': 'private, no-cache',
    etag: `"${etag}"`,
    'last-modified': new Date(updatedAt).toUTCString(),
  });
}

/** RFC 6266: the name in ASCII for the old, in UTF-8 for all others. */
function fileName(path: string): string {
  const name = path.slice(path.lastIndexOf('/') + 1);
  const ascii = name.replace(/[^ -~]|["%;]/g, '_');
  const exact = encodeURIComponent(name).replace(
    /['()*]/g,
    (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`,
  );
  return `filename="${ascii}"; filename*=UTF-8''${exact}`;
}

function etagsOf(header: string): readonly string[] {
  return header.split(',').map((etag) => etag.trim());
}

function demandMatch(headers: Headers, { etag, path }: FileInfo): void {
  const match = headers.get('if-match');
  if (match === null || etagsOf(match).some((one) => one === '*' || one === `"${etag}"`)) return;
  throw new CodedError('file_changed', `The file "${path}" is not one that If-Match names`, { etag });
}

/** Whether the client has it already (RFC 9110, 13.1.2 and 13.1.3). */
function isFresh(headers: Headers, { etag, updatedAt }: FileInfo): boolean {
  const none = headers.get('if-none-match');
  if (none !== null) return etagsOf(none).some((one) => one === '*' || one.replace(/^W\//, '') === `"${etag}"`);
  const since = Date.parse(headers.get('if-modified-since') ?? '');
  return secondsOf(updatedAt) * 1_000 <= since;
}

function secondsOf(time: string): number {
  return Math.floor(Date.parse(time) / 1_000);
}

/** The part that is wanted; all of it when `If-Range` names another file than this. */
function rangeOf(headers: Headers, { etag, size, updatedAt }: FileInfo): ByteRange | null {
  const wanted = parseRange(headers.get('range') ?? '');
  if (wanted === null) return null;
  const same = headers.get('if-range');
  if (same !== null && same !== `"${etag}"` && Date.parse(same) !== secondsOf(updatedAt) * 1_000) return null;
  return resolveRange(wanted, size);
}

/** Bun's server prints the reason of a body that breaks; what was wrong is in the log already. */
function unexplained(source: ReadableStream<Uint8Array>): ReadableStream<Uint8Array> {
  const reader = source.getReader();
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const { done, value } = await reader.read().catch(() => ({ done: null, value: undefined }));
        if (done === null) controller.error();
        else if (done) controller.close();
        else controller.enqueue(value);
      },
      cancel: (reason) => reader.cancel(reason),
    },
    { highWaterMark: 0 },
  );
}
