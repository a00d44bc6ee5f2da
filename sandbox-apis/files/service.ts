import type { ByteRange } from './range.ts';

/** What is known of a file. */
export interface FileInfo {
  readonly path: string;
  /** Bytes. */
  readonly size: number;
  /** SHA-256 of the content in hexadecimal: the same content has the same etag. */
  readonly etag: string;
  readonly contentType: string;
  readonly metadata: Readonly<Record<string, string>>;
  /** ISO 8601, UTC. */
  readonly createdAt: string;
  /** When the content was last put. */
  readonly updatedAt: string;
}

/** An etag, or `*` for any. */
export interface FileConditions {
  /** Only if this is the file that is there. */
  readonly ifMatch?: string | undefined;
  /** Only if this is not the file that is there. */
  readonly ifNoneMatch?: string | undefined;
}

export interface NewFile extends FileConditions {
  readonly contentType: string;
  readonly metadata: Readonly<Record<string, string>>;
  /** Bytes, when that is known: a stream of another length is refused. */
  readonly size: number | null;
}

/** A file whose content is read; `content` is null where only the head was wanted. */
export interface FoundFile {
  readonly info: FileInfo;
  /** The part that `content` is; null for all of it. */
  readonly range: ByteRange | null;
  readonly content: Uint8Array | ReadableStream<Uint8Array> | null;
}

export interface FilePage {
  readonly files: FileInfo[];
  /** With a delimiter: what the paths that go on after it have in common, with the delimiter. */
  readonly folders: string[];
  /** The last entry of the page, when there are more. */
  readonly last: string | null;
}

/**
 * What the room needs of the core. Paths are checked before. Each throws CodedError: `quota_exceeded`, `file_changed`
 * (extra: `etag` of now, or null), `file_corrupted`, `range_not_satisfiable`, `service_unavailable`, `service_failed`.
 */
export interface FilesService {
  /** Puts a content in the place of what is there, as a whole or not at all. */
  put(
    plugin: string,
    path: string,
    content: Uint8Array | ReadableStream<Uint8Array>,
    file: NewFile,
    signal: AbortSignal,
  ): Promise<FileInfo>;
  /**
   * Finds a file and reads it.
   *
   * @param choose what to read of it: a part, null for all, `head` for nothing
   */
  get(plugin: string, path: string, choose: (info: FileInfo) => ByteRange | null | 'head'): Promise<FoundFile | null>;
  stat(plugin: string, path: string): Promise<FileInfo | null>;
  /** In the order of the paths' bytes. */
  list(
    plugin: string,
    page: { readonly prefix: string; readonly folders: boolean; readonly after: string | null; readonly limit: number },
  ): Promise<FilePage>;
  /** @returns whether it was there */
  delete(plugin: string, path: string, conditions: FileConditions): Promise<boolean>;
  /** Gives the content of one path to another, which costs no second copy; null when there is none. */
  copy(plugin: string, from: string, to: string, conditions: FileConditions): Promise<FileInfo | null>;
  /** The same, and the first path is no more. */
  move(plugin: string, from: string, to: string, conditions: FileConditions): Promise<FileInfo | null>;
}
