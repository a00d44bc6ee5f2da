import type { GuestHost } from '../_kit/guest.ts';
import { assertJson } from '../_kit/json.ts';
import { type BodyContent, isOf, type ResponseHead, wireBody } from '../fetch/guest.ts';
import type { FileInfo, FilesApi, FilesPage, StoredFile } from './guest.ts';

/** Internals of the guest's web platform, passed in by the prelude. */
export interface FilesWeb {
  isResponse(value: unknown): value is Response;
  isRequest(value: unknown): value is Request;
  /** Take them apart; the body counts as used from then on. */
  readResponse(response: Response): {
    readonly headers: readonly (readonly [string, string])[];
    readonly body: BodyContent;
  };
  readRequest(request: Request): {
    readonly headers: readonly (readonly [string, string])[];
    readonly body: BodyContent;
  };
  makeResponse(head: ResponseHead, body: BodyContent): Response;
  /** The class as the isolate started with it. */
  readonly Response: typeof Response;
}

interface WireFile {
  readonly info: FileInfo;
  readonly range: StoredFile['range'];
  readonly body: { readonly text: string } | { readonly latin1: string } | { readonly stream: number };
}

const UNKNOWN_TYPE = 'application/octet-stream';

/** A file and the Response that holds its content: the platform's own body, with all its forms. */
class File implements StoredFile {
  readonly path: string;
  readonly size: number;
  readonly etag: string;
  readonly contentType: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly createdAt: string;
  readonly updatedAt: string;
  readonly range: StoredFile['range'];
  readonly #content: Response;

  constructor(info: FileInfo, range: StoredFile['range'], content: Response) {
    this.path = info.path;
    this.size = info.size;
    this.etag = info.etag;
    this.contentType = info.contentType;
    this.metadata = info.metadata;
    this.createdAt = info.createdAt;
    this.updatedAt = info.updatedAt;
    this.range = range;
    this.#content = content;
  }

  get body(): ReadableStream<Uint8Array> {
    return this.#content.body as ReadableStream<Uint8Array>;
  }
  text(): Promise<string> {
    return this.#content.text();
  }
  json<T>(): Promise<T> {
    return this.#content.json() as Promise<T>;
  }
  arrayBuffer(): Promise<ArrayBuffer> {
    return this.#content.arrayBuffer();
  }
  bytes(): Promise<Uint8Array> {
    return this.#content.bytes();
  }
  blob(): Promise<Blob> {
    return this.#content.blob();
  }
}

Object.defineProperty(File, 'name', { value: 'StoredFile' });

export function createFiles(host: GuestHost, web: FilesWeb): FilesApi {
  /** A body of any kind as the platform holds it, and the type that it says it has. */
  function readBody(given: unknown): { body: BodyContent; type: string } {
    if (given === undefined || given === null) throw new TypeError('files.put: there is no body');
    const { headers, body } = web.isRequest(given)
      ? web.readRequest(given)
      : web.readResponse(web.isResponse(given) ? given : new web.Response(given as BodyInit));
    let type = '';
    for (let at = 0; at < headers.length; at += 1) {
      const pair = headers[at] as readonly [string, string];
      if (pair[0] === 'content-type') type = pair[1];
    }
    return { body, type };
  }

  const place = async (name: string, from: string, to: string, options: object): Promise<FileInfo> => {
    assertJson(options, 'options');
    const { file } = await host.call<{ file: FileInfo }>(name, { from, to, ...options });
    return file;
  };

  return {
    async put(path, body, options = {}) {
      assertJson(options, 'options');
      const { contentType, metadata = {}, ifMatch, ifNoneMatch } = options;
      const read = readBody(body);
      const { file } = await host.call<{ file: FileInfo }>('files.put', {
        path,
        contentType: contentType ?? (read.type || UNKNOWN_TYPE),
        metadata,
        ifMatch,
        ifNoneMatch,
        body: wireBody(host, read.body),
      });
      return file;
    },
    async get(path, options = {}) {
      assertJson(options, 'options');
      const { file } = await host.call<{ file: WireFile | null }>('files.get', { path, range: options.range });
      if (file === null) return null;
      const { info, range, body } = file;
      // Not `in`: the guest may have given all objects a `text`.
      const content: BodyContent = isOf(body, 'text')
        ? { kind: 'text', text: body.text }
        : isOf(body, 'latin1')
          ? { kind: 'binary', latin1: body.latin1 }
          : { kind: 'stream', stream: host.readStream(body.stream) };
      const headers: [string, string][] = [['content-type', info.contentType]];
      const head = { status: 200, statusText: '', url: '', redirected: false, headers };
      return new File(info, range, web.makeResponse(head, content));
    },
    async stat(path) {
      const { file } = await host.call<{ file: FileInfo | null }>('files.stat', { path });
      return file;
    },
    async list(options = {}) {
      assertJson(options, 'options');
      return await host.call<FilesPage>('files.list', options);
    },
    async delete(path, options = {}) {
      assertJson(options, 'options');
      const { deleted } = await host.call<{ deleted: boolean }>('files.delete', { path, ...options });
      return deleted;
    },
    copy: (from, to, options = {}) => place('files.copy', from, to, options),
    move: (from, to, options = {}) => place('files.move', from, to, options),
    async url(path, options = {}) {
      assertJson(options, 'options');
      const { url } = await host.call<{ url: string }>('files.url', { path, ...options });
      return url;
    },
  };
}
