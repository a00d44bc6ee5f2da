/** What a backup may be: data, with the reason beside each number. Bytes unless the name says otherwise. */
export const BACKUP_LIMITS = {
  /** One entry of the archive, which is held in memory while it is written and read. */
  partBytes: 4 * 1024 * 1024,
  /** Entries of an archive that are not parts (`backup.json`, lists of digests): a thousand plugins make 200 KiB. */
  headBytes: 16 * 1024 * 1024,
  /** Entries between two lists of digests: what is remembered of an archive while it is written and read. */
  entriesPerList: 1_000,
  /** Entries in all: 4 TiB of data in full parts; a list of names that grows for ever ends here. */
  entries: 10_000_000,
  /** One statement of a plugin's schema: a long function is 100 KiB. */
  statementBytes: 1024 * 1024,
  /** All statements of a plugin's schema, which are held in memory: some 10,000 tables. */
  schemaBytes: 64 * 1024 * 1024,
  /** Tables of one plugin: each is locked while it is dumped, and Postgres has room for some thousands of locks. */
  tables: 4_000,
  /** Statements that are fetched at a time. */
  fetch: 16,
  /** Milliseconds that a dump waits for a table that a statement of the plugin has for itself. */
  lockMs: 30_000,
  /** Milliseconds that one statement of a restored schema may take: an index over many gigabytes is built. */
  statementMs: 30 * 60_000,
  /** Attempts to see the same tables before and after they were locked. */
  lockAttempts: 5,
  /** gzip: blobs and packages are packed already, and the rest shrinks by a third of what level 9 would add. */
  gzipLevel: 4,
} as const;
