import type { Caller } from '../_kit/contract.ts';

/** A statement with its parameters in Postgres' text format. */
export interface Statement {
  readonly sql: string;
  readonly params: readonly (string | null)[];
}

export interface Column {
  readonly name: string;
  /** Type's oid. */
  readonly type: number;
  /** Oid of the elements when it is an array. */
  readonly element?: number;
}

/** Values in Postgres' text format: DateStyle ISO, IntervalStyle iso_8601, time zone UTC, bytea in hex. */
export type Row = readonly (string | null)[];

export interface Rows {
  readonly columns: readonly Column[];
  readonly rows: readonly Row[];
  /** Rows that the statement touched or gave. */
  readonly count: number;
  /** Such as `SELECT`. */
  readonly command: string;
}

export interface TransactionOptions {
  readonly isolation: 'read committed' | 'repeatable read' | 'serializable';
  readonly readOnly: boolean;
  readonly timeoutMs: number;
}

/**
 * What the `database` room needs of the core. Each throws CodedError: `database_error` (extra: sqlstate, and of
 * Postgres' own fields what concerns the statement: message, detail, hint, position, schema, table, column,
 * constraint), `database_unavailable` (retryable), `database_result_too_large`, `quota_exceeded`, `deadline_exceeded`,
 * `transaction_over`.
 */
export interface DatabaseService {
  /** Runs one prepared statement (never several), in a transaction of this isolate when its number is given. */
  run(caller: Caller, statement: Statement, transaction: number | null): Promise<Rows>;
  /**
   * Rows of a large result as they come: lines of JSON, an array each; back-pressured; ends the statement when
   * cancelled.
   */
  stream(
    caller: Caller,
    statement: Statement,
    transaction: number | null,
  ): Promise<{ readonly columns: readonly Column[]; readonly rows: ReadableStream<Uint8Array> }>;
  /**
   * Begins a transaction that ends by itself after `timeoutMs`, and with the isolate.
   * @returns its number, this isolate's alone
   */
  begin(caller: Caller, options: TransactionOptions): Promise<number>;
  commit(caller: Caller, transaction: number): Promise<void>;
  rollback(caller: Caller, transaction: number): Promise<void>;
  /**
   * Runs a script once, in a transaction, as the plugin.
   * @returns whether it ran now
   */
  migrate(caller: Caller, sql: string): Promise<boolean>;
}
