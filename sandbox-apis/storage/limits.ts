/** Limits of `storage`: data, with the reason beside each number. */
export const STORAGE_LIMITS = {
  /** UTF-8 bytes of a key: well below the third of a page that an index row may take. */
  keyBytes: 512,
  /** Bytes of a value as JSON: larger things are files. */
  valueBytes: 256 * 1024,
  /** Levels of nesting of a value; with its envelope it stays below the 64 of the channel. */
  valueDepth: 48,
  /** Entries of a page, at most and when not said. */
  pageEntries: 1_000,
  defaultPageEntries: 100,
  /** Bytes of a page with its keys: with its envelope it fits the 1 MiB of one answer. */
  pageBytes: 1_000_000,
  /** Keys of one call: with their JSON escapes they stay within the 1 MiB of its arguments. */
  keysAtOnce: 1_000,
  /** Calls of one isolate at a time: a share of the connections that the core has to its database. */
  callsAtOnce: 4,
  /** Of `get`, `set` and `increment` each: they are gathered into few statements. With the largest values that is 16 MiB. */
  gatheredAtOnce: 64,
  /** Seconds until expiry: ten years; whoever means longer means no expiry. */
  ttlSeconds: 315_360_000,
} as const;

/** What the rows of one plugin may add up to. */
export interface StorageQuota {
  /** Keys in UTF-8 and values in JSON, as Postgres prints them. */
  readonly bytes: number;
  readonly keys: number;
}

/** For a plugin to which the admin gave nothing else: room for settings and state, too little to fill a small disk. */
export const DEFAULT_STORAGE_QUOTA: StorageQuota = { bytes: 50 * 1024 * 1024, keys: 100_000 };
