/** A value that a parameter may have; docs/authors/database.md says what Postgres gets of each. */
export type DatabaseParameter =
  | null
  | string
  | number
  | bigint
  | boolean
  | Date
  | Uint8Array
  | readonly DatabaseParameter[]
  | object;

/** A statement with its values, made by `database.sql`. */
export interface SqlStatement {
  /** The text, with `$1`, `$2`, ... where the values are. */
  readonly text: string;
  readonly values: readonly DatabaseParameter[];
}

/** What a statement did. */
export interface DatabaseResult<T = Record<string, unknown>> {
  /** Rows that it changed or gave. */
  readonly count: number;
  /** Rows that it gave (`returning`). */
  readonly rows: T[];
  /** What it was, as Postgres calls it: `INSERT`, `SELECT`, `CREATE TABLE`. */
  readonly command: string;
}

/** How SQL is run, in a transaction or without one. */
export interface DatabaseQueries {
  /**
   * The rows of a statement, an object each. Of columns with the same name the last one counts: rename with `as`.
   *
   * @param sql one statement, with `$1`, `$2`, ... for the values; or one that `database.sql` made
   * @throws `database_error` (a DatabaseError), `database_result_too_large` (over 1 MB: use `stream`), `database_unavailable`
   */
  query<T = Record<string, unknown>>(sql: string | SqlStatement, params?: readonly DatabaseParameter[]): Promise<T[]>;
  /** The first row, or null when there is none. Rows after the first are dropped: say `limit 1` when there are many. */
  queryRow<T = Record<string, unknown>>(
    sql: string | SqlStatement,
    params?: readonly DatabaseParameter[],
  ): Promise<T | null>;
  /** Runs a statement for what it does. */
  exec<T = Record<string, unknown>>(
    sql: string | SqlStatement,
    params?: readonly DatabaseParameter[],
  ): Promise<DatabaseResult<T>>;
  /**
   * The rows of a statement one by one, as many as there are: the database goes on when you have taken what there is.
   * The statement runs from the first `next` on, and ends with the loop. Outside of a transaction it takes a connection
   * for that time.
   *
   * @example
   * ```ts
   * for await (const { id, name } of streamspace.database.stream<{ id: number; name: string }>('select * from people')) {
   *   streamspace.log.info(name, { id });
   * }
   * ```
   */
  stream<T = Record<string, unknown>>(
    sql: string | SqlStatement,
    params?: readonly DatabaseParameter[],
  ): AsyncIterableIterator<T>;
}

/** A transaction that is open; after its callback it throws `transaction_over`. */
export interface DatabaseTransaction extends DatabaseQueries {
  /**
   * A part that is undone by itself (a savepoint): when the callback throws, what it did is undone, and the transaction
   * goes on. Until it has ended, use what the callback is given, not the transaction around it.
   */
  transaction<T>(callback: (tx: DatabaseTransaction) => T | PromiseLike<T>): Promise<T>;
}

export interface DatabaseTransactionOptions {
  /** How far others are kept out; `read committed` when not said. */
  readonly isolation?: 'read committed' | 'repeatable read' | 'serializable';
  readonly readOnly?: boolean;
  /** Milliseconds until it is rolled back by itself, 100 to 120,000; 15,000 when not said. */
  readonly timeoutMs?: number;
  /**
   * How often the callback runs again when the transaction lost against another one (SQLSTATE 40001 and 40P01), 0 to 10;
   * 0 when not said.
   */
  readonly retries?: number;
}

/**
 * `streamspace.database`: a PostgreSQL database that belongs to this plugin alone. Needs the permission `database`.
 *
 * @example
 * ```ts
 * const { database } = streamspace;
 * await database.exec('insert into people (name, born) values ($1, $2)', ['Ada', '1815-12-10']);
 * const adas = await database.query<{ id: number; name: string }>('select id, name from people where name = $1', ['Ada']);
 * streamspace.log.info('found', { adas });
 * ```
 */
export interface DatabaseApi extends DatabaseQueries {
  /**
   * Runs the callback in a transaction: what it did is kept when it resolves, and undone when it throws. Use `tx` for
   * everything that belongs to it. A statement that fails ends the transaction, unless a nested one catches it.
   *
   * @returns what the callback gave
   * @throws what the callback throws; `database_error`; `transaction_over` when it took longer than `timeoutMs`
   * @example
   * ```ts
   * await streamspace.database.transaction(
   *   async (tx) => {
   *     await tx.exec('update accounts set amount = amount - $1 where id = $2', [5, 'ada']);
   *     await tx.exec('update accounts set amount = amount + $1 where id = $2', [5, 'bob']);
   *   },
   *   { isolation: 'serializable', retries: 3 },
   * );
   * ```
   */
  transaction<T>(
    callback: (tx: DatabaseTransaction) => T | PromiseLike<T>,
    options?: DatabaseTransactionOptions,
  ): Promise<T>;
  /**
   * Runs a script (several statements) in a transaction, once: a text that ran before is not run again. Files in
   * `migrations/` are the better place, they run before the plugin loads.
   *
   * @returns whether it ran now
   * @throws `migration_failed`
   * @example
   * ```ts
   * await streamspace.database.migrate('create table people (id serial primary key, name text not null, born date)');
   * ```
   */
  migrate(sql: string): Promise<boolean>;
  /**
   * Makes a statement of a template: what stands in `${}` becomes a parameter, never a part of the text.
   *
   * @example
   * ```ts
   * const { database } = streamspace;
   * const name = 'Ada';
   * const row = await database.queryRow<{ id: number }>(database.sql`select id from people where name = ${name}`);
   * streamspace.log.info('found', { id: row?.id });
   * ```
   */
  sql(text: TemplateStringsArray, ...values: readonly DatabaseParameter[]): SqlStatement;
}

/** Internals of the guest, passed in by the prelude: the language as it was before any plugin code ran. */
export interface DatabaseEnv {
  readonly apply: typeof Reflect.apply;
  readonly defineProperty: typeof Object.defineProperty;
  readonly charCodeAt: (text: string, at: number) => number;
  readonly hasOwn: typeof Object.hasOwn;
  readonly indexOf: (text: string, part: string, from?: number) => number;
  readonly isArray: typeof Array.isArray;
  readonly parse: typeof JSON.parse;
  readonly slice: (text: string, start: number, end?: number) => string;
  readonly stringify: typeof JSON.stringify;
  readonly toISOString: typeof Date.prototype.toISOString;
  /** Text of UTF-8. */
  readonly decode: (bytes: Uint8Array) => string;
  /** Binds a callback of the plugin to the context in which it was given. */
  readonly bind: <T extends (...args: never[]) => unknown>(callback: T) => T;
  readonly StreamSpaceError: new (code: string, message: string) => Error & { readonly code: string };
}
