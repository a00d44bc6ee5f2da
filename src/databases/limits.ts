const MIB = 1024 * 1024;

/** Limits of the plugins' databases: data, with the reason beside each number. */
export const PLUGIN_DATABASE_LIMITS = {
  /** Connections of one plugin: Postgres answers some thousand short statements a second on each. */
  connections: 4,
  /** Of these, for transactions and streams, which keep one: a short statement never waits for them all. */
  longUses: 3,
  /** Connections of all plugins: each is a process of 5 to 10 MB, and a machine has a few cores to run them. */
  connectionsOfAll: 40,
  /** Share of the server's max_connections that they may take, where that is less. */
  shareOfServer: 0.4,
  /** Connections that Postgres itself allows the role: those of the pool, unpooled ones, and some that are just ending. */
  roleConnections: 16,
  /** Milliseconds without use after which a connection is closed; opening one takes 5. */
  idleMs: 10_000,
  /** Milliseconds after which one is not used again: what its process has hoarded in caches goes. */
  lifetimeMs: 300_000,
  /** Milliseconds until a connection is there; the server is on this machine or near. */
  connectMs: 5_000,
  /** Milliseconds that a stream of rows may take, and may stand still: it holds a snapshot, and a connection of few. */
  streamMs: 600_000,
  streamIdleMs: 60_000,
  /** Milliseconds between a request to cancel and the end of the process that did not heed it. */
  cancelMs: 300,
  /** Milliseconds that the reset of a connection may take; it is 0.1. */
  resetMs: 2_000,
  /** Milliseconds that calls under way have to end before an upgrade cancels them. */
  pauseMs: 2_000,
  /** Bytes from Postgres for one answer: three times what the room hands on, for there they are JSON. */
  resultBytes: 3 * MIB,
  /** Rows of one answer: the least that one takes on the wire, 7 bytes, makes this of the bytes. */
  resultRows: 450_000,
  /** Bytes of one row of a stream: the plugin has to hold it, in 64 MiB by default. */
  rowBytes: 8 * MIB,
  /** Bytes of whatever else a statement brings: descriptions, errors, notices, settings. 1,664 columns are 140 KB. */
  otherBytes: MIB,
  /** Bytes that one statement of an unpooled session may bring; the core's own, on rows of the plugin. */
  sessionBytes: 64 * MIB,
  /** Bytes of rows that a stream asks for at a time; by the largest row so far it asks for that many. */
  portionBytes: 256 * 1024,
  /** Rows at a time, and bytes that these may be: 64 KB each when a table goes from small ones to large ones. */
  portionRows: 256,
  portionMostBytes: 16 * MIB,
  /** Characters of each text of an error that a plugin is told. */
  errorChars: 2_000,
  /** Types of a database that are remembered; a schema has some dozens. */
  types: 1_000,
  /** Bytes up to which a copy goes through the log: no checkpoint, but each byte is written twice. */
  walCopyBytes: 64 * MIB,
  /** Milliseconds between two looks at sizes, locks and the queue of notifications: a disk writes some 100 MB meanwhile. */
  watchMs: 500,
  /** Bytes that a plugin over its quota may grow by what is still allowed (deletes that fire triggers). */
  graceBytes: 64 * MIB,
  /** Locks of one plugin: all share a table for 50,000, and a migration of a thousand tables takes some thousand. */
  locks: 5_000,
  /** Share of the queue of notifications that is used when those that fill it are stopped: it is one for all databases. */
  notifyShare: 0.05,
  /** Milliseconds between two looks at the memory of the server's processes: a gigabyte a second is what one takes. */
  memoryMs: 200,
  /** Bytes of its own that one may have: a sort of 4 MB and a hash of 8 are usual, large JSON values some dozens. */
  memoryBytes: 256 * MIB,
} as const;
