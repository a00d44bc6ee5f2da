/** What a file's content may be made of; a stream gives Uint8Array chunks. */
export type FileBody =
  | ReadableStream<Uint8Array>
  | Uint8Array
  | ArrayBuffer
  | ArrayBufferView
  | string
  | Blob
  | URLSearchParams
  | FormData
  | Request
  | Response;

/** What is known of a file. */
export interface FileInfo {
  readonly path: string;
  /** Bytes. */
  readonly size: number;
  /** SHA-256 of the content in hexadecimal; two files with the same content have the same. */
  readonly etag: string;
  readonly contentType: string;
  readonly metadata: Readonly<Record<string, string>>;
  /** ISO 8601, UTC. */
  readonly createdAt: string;
  /** When the content was last put. */
  readonly updatedAt: string;
}

export interface FileConditions {
  /** Only if this etag is that of the file; `*`: only if there is a file. */
  readonly ifMatch?: string;
  /** Only if this etag is not that of the file; `*`: only if there is none. */
  readonly ifNoneMatch?: string;
}

export interface PutOptions extends FileConditions {
  /** Without it: what the body says of itself, else `application/octet-stream`. */
  readonly contentType?: string;
  /** Texts that go with the file: 32 at most, 2 KiB in all; names in lower case. */
  readonly metadata?: Readonly<Record<string, string>>;
}

/** A part of a file: from an offset, the last bytes, or as a `Range` header has it (`bytes=0-499`). */
export type FileRange =
  | { readonly offset?: number; readonly length?: number; readonly suffix?: never }
  | { readonly suffix: number; readonly offset?: never; readonly length?: never }
  | string;

/** A file with its content, which can be read once. */
export interface StoredFile extends FileInfo {
  /** The part that the content is; null when it is all of the file. */
  readonly range: { readonly offset: number; readonly length: number } | null;
  /** What is not read is to be cancelled: it holds one of the plugin's transfers. */
  readonly body: ReadableStream<Uint8Array>;
  text(): Promise<string>;
  json<T = unknown>(): Promise<T>;
  arrayBuffer(): Promise<ArrayBuffer>;
  bytes(): Promise<Uint8Array>;
  blob(): Promise<Blob>;
}

export interface ListFilesOptions {
  /** Only paths that begin with it. */
  readonly prefix?: string;
  /** With `/`: of paths that go on after a further slash only the folder is told. */
  readonly delimiter?: '/';
  /** The `cursor` of the page before. */
  readonly cursor?: string;
  /** Entries of a page, 1 to 1000; 100 when not said. A page also ends before 900 kB. */
  readonly limit?: number;
}

export interface FilesPage {
  /** In the order of the paths' UTF-8 bytes. */
  readonly files: FileInfo[];
  /** With a `delimiter`: what is below, such as `reports/2026/`. */
  readonly folders: string[];
  /** Pass it to read on; absent on the last page. */
  readonly cursor?: string;
}

export interface UrlOptions {
  /** Seconds until it ends: 1 to 604800 (a week), 3600 when not said. */
  readonly expires?: number;
  /** Whether browsers save the file rather than show it. */
  readonly download?: boolean;
}

/**
 * `streamspace.files`: files under paths that belong to this plugin alone. Needs the permission `files`.
 *
 * A path is relative, 1 to 1024 bytes of UTF-8, its segments divided by `/`, none empty, `.` or `..`. A file is written as
 * a whole or not at all, and what is written is durable. What goes wrong with a content while it is read errors its stream.
 *
 * @example
 * ```ts
 * const { api, files } = streamspace;
 * api.put('/reports/:name', async (request, { params }) => files.put(`reports/${params.name}`, request));
 * api.get('/reports/:name', async (_request, { params }) => {
 *   const file = await files.get(`reports/${params.name}`);
 *   if (file === null) return new Response('no such report', { status: 404 });
 *   return new Response(file.body, { headers: { 'content-type': file.contentType, etag: `"${file.etag}"` } });
 * });
 * ```
 */
export interface FilesApi {
  /**
   * Puts `body` at `path`, in the place of what is there. A stream is taken at the pace at which it can be written, and
   * cut when it goes over the quota; the file that was there stays then.
   * @throws `quota_exceeded`, `file_changed` (a condition does not hold; its `etag` is that of now, or null), `invalid_input`
   * @example
   * ```ts
   * const { files } = streamspace;
   * await files.put('notes/today.txt', 'hello', { metadata: { author: 'ada' } });
   * const response = await fetch('https://example.com/large.zip');
   * if (response.ok) await files.put('downloads/large.zip', response, { ifNoneMatch: '*' });
   * ```
   */
  put(path: string, body: FileBody, options?: PutOptions): Promise<FileInfo>;
  /**
   * Reads a file; null when there is none.
   * @throws `range_not_satisfiable`, `file_corrupted` (what was stored is damaged)
   * @example
   * ```ts
   * const file = await streamspace.files.get('notes/today.txt', { range: { offset: 0, length: 100 } });
   * if (file !== null) streamspace.log.info(await file.text(), { of: file.size });
   * ```
   */
  get(path: string, options?: { readonly range?: FileRange }): Promise<StoredFile | null>;
  /** What is known of a file; null when there is none. */
  stat(path: string): Promise<FileInfo | null>;
  /**
   * A page of files; what comes or goes between two pages neither repeats nor hides others.
   *
   * @example
   * ```ts
   * const { files, folders } = await streamspace.files.list({ prefix: 'reports/', delimiter: '/' });
   * streamspace.log.info('reports', { files: files.map(({ path }) => path), folders });
   * ```
   */
  list(options?: ListFilesOptions): Promise<FilesPage>;
  /**
   * Removes a file.
   * @returns whether it was there
   * @throws `file_changed`
   */
  delete(path: string, options?: Pick<FileConditions, 'ifMatch'>): Promise<boolean>;
  /**
   * Gives the content of `from` to `to` as well, without a second copy of it. The conditions are of `to`.
   * @throws `not_found`, `file_changed`, `quota_exceeded`
   */
  copy(from: string, to: string, options?: FileConditions): Promise<FileInfo>;
  /** The same, and `from` is no more. */
  move(from: string, to: string, options?: FileConditions): Promise<FileInfo>;
  /**
   * A link under which anybody may read the file until it expires, without signing in: it gives what is at the path then.
   * It begins with the public URL of the platform, or with `/` when the operator has not set one.
   *
   * @example
   * ```ts
   * const link = await streamspace.files.url('reports/may.pdf', { expires: 600, download: true });
   * ```
   */
  url(path: string, options?: UrlOptions): Promise<string>;
}
