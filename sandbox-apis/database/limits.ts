/** Limits of the `database` room: data, with the reason beside each number. */
export const DATABASE_LIMITS = {
  /** Characters of a statement: an insert with as many parameters as Postgres takes is 450,000. */
  sqlChars: 500_000,
  /** Parameters of a statement: Postgres counts them in 16 bits. */
  params: 65_535,
  /** Characters of a parameter: all of a call's input is 1 MiB. */
  paramChars: 1_048_576,
  /** Bytes of a result as JSON, column names included: with its envelope it fits the 1 MiB of one answer. */
  resultBytes: 1_040_000,
  /** Columns of a result: Postgres has 1,664 at most. */
  columns: 1_664,
  /** Rows of a result: a cell takes two bytes of it at least, a row without columns too. */
  rows: 524_288,
  /** Plain statements of one isolate at a time: two for each connection that a plugin has, so that none is idle. */
  callsAtOnce: 8,
  /** Milliseconds of one statement, with the time that it waits for a connection or an upgrade. */
  statementMs: 30_000,
  /** Milliseconds of a script of `migrate`: an index over a large table takes its time. */
  migrateMs: 120_000,
  /** Milliseconds that a transaction may stay open: it holds locks, and a connection of few. */
  transactionMs: { least: 100, default: 15_000, most: 120_000 },
} as const;
