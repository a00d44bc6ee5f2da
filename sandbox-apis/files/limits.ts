const MIB = 1024 * 1024;
const DAY = 86_400;

/** Limits of `files`: data, with the reason beside each number. */
export const FILE_LIMITS = {
  /** UTF-8 bytes of a path: what S3 takes, and well below the third of a page that an index row may take. */
  pathBytes: 1_024,
  /** Characters of a content type: the longest registered one has 90. */
  contentTypeChars: 255,
  /** Entries of a file's metadata, characters of a name and of a value, and bytes of all: notes, not a database. */
  metadataEntries: 32,
  metadataNameChars: 64,
  metadataValueChars: 1_024,
  metadataBytes: 2_048,
  /** Characters (one a byte) of a content that goes inside a call or its answer; larger ones are streamed. */
  inlinePut: 131_072,
  inlineGet: 65_536,
  /** Entries of a page, at most and when not said. */
  pageEntries: 1_000,
  defaultPageEntries: 100,
  /** Bytes of a page as JSON: with its envelope it fits the 1 MiB of one answer. */
  pageBytes: 900_000,
  /** Contents of one plugin that are under way: each holds an open file, and its windows of memory. */
  transfers: 32,
  /** Milliseconds that a content which is read waits for its reader: as long as the server keeps a silent connection. */
  idleMs: 120_000,
  /** Seconds that a signed URL lives: when not said, and at most. A week is what S3 gives; longer is a public endpoint. */
  urlSeconds: 3_600,
  urlMaxSeconds: 7 * DAY,
} as const;

/** What the files of one plugin may add up to. */
export interface FilesQuota {
  readonly bytes: number;
  readonly files: number;
}

/** For a plugin to which the admin gave nothing else: room for documents and pictures, not for a library of recordings. */
export const DEFAULT_FILES_QUOTA: FilesQuota = { bytes: 1_024 * MIB, files: 100_000 };
