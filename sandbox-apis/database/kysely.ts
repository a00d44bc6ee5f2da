import {
  CompiledQuery,
  type DatabaseConnection,
  type DatabaseIntrospector,
  type Dialect,
  type DialectAdapter,
  type Driver,
  type Kysely,
  PostgresAdapter,
  PostgresIntrospector,
  PostgresQueryCompiler,
  type QueryCompiler,
  type QueryResult,
  type TransactionSettings,
} from 'kysely';
import type {
  DatabaseApi,
  DatabaseParameter,
  DatabaseQueries,
  DatabaseTransaction,
  DatabaseTransactionOptions,
} from './guest.ts';

/** How the dialect works; all of it may be left out. */
export interface StreamspaceDialectConfig {
  /** Milliseconds until a transaction is rolled back by itself; 15,000 when not said, 120,000 at most. */
  readonly transactionTimeoutMs?: number;
}

/**
 * Kysely over the plugin's own database (`streamspace.database`): Postgres' dialect with a driver of ours.
 *
 * @example
 * ```ts
 * import { StreamspaceDialect } from '@streamspace/sdk/kysely';
 * import { type Generated, Kysely } from 'kysely';
 *
 * interface Tables {
 *   readonly people: { readonly id: Generated<number>; readonly name: string };
 * }
 *
 * export const db = new Kysely<Tables>({ dialect: new StreamspaceDialect() });
 * ```
 */
export class StreamspaceDialect implements Dialect {
  readonly #config: StreamspaceDialectConfig;

  constructor(config: StreamspaceDialectConfig = {}) {
    this.#config = config;
  }
  createDriver(): Driver {
    return new StreamspaceDriver(this.#config);
  }
  createQueryCompiler(): QueryCompiler {
    return new PostgresQueryCompiler();
  }
  createAdapter(): DialectAdapter {
    return new StreamspaceAdapter();
  }
  // biome-ignore lint/suspicious/noExplicitAny: as Kysely declares it
  createIntrospector(db: Kysely<any>): DatabaseIntrospector {
    return new PostgresIntrospector(db);
  }
}

const LOCK_KEY = 3_853_314_791;
/** As long as a transaction may be. */
const LOCK_MS = 120_000;

/** There are no sessions: the lock of migrations is held by a transaction beside them. */
class StreamspaceAdapter extends PostgresAdapter {
  readonly #held = new WeakMap<object, OpenTransaction>();

  override async acquireMigrationLock(db: object): Promise<void> {
    const held = await OpenTransaction.begin(streamspace.database, { timeoutMs: LOCK_MS });
    this.#held.set(db, held);
    await held.tx.query('select pg_advisory_xact_lock($1)', [LOCK_KEY]);
  }

  override async releaseMigrationLock(db: object): Promise<void> {
    const held = this.#held.get(db);
    this.#held.delete(db);
    await held?.rollback();
  }
}

/** A transaction that is ended by a call in place of a callback. */
class OpenTransaction {
  readonly tx: DatabaseTransaction;
  readonly #end: PromiseWithResolvers<void>;
  readonly #done: Promise<void>;

  private constructor(tx: DatabaseTransaction, end: PromiseWithResolvers<void>, done: Promise<void>) {
    this.tx = tx;
    this.#end = end;
    this.#done = done;
  }

  static begin(database: DatabaseApi, options: DatabaseTransactionOptions): Promise<OpenTransaction> {
    return new Promise((resolve, reject) => {
      const end = Promise.withResolvers<void>();
      const done: Promise<void> = database.transaction((tx) => {
        resolve(new OpenTransaction(tx, end, done));
        return end.promise;
      }, options);
      done.catch(reject);
    });
  }

  async commit(): Promise<void> {
    this.#end.resolve();
    await this.#done;
  }

  async rollback(): Promise<void> {
    const asked = new Error('rolled back as asked');
    this.#end.reject(asked);
    await this.#done.catch((error: unknown) => {
      if (error !== asked) throw error;
    });
  }
}

class StreamspaceDriver implements Driver {
  readonly #config: StreamspaceDialectConfig;

  constructor(config: StreamspaceDialectConfig) {
    this.#config = config;
  }

  async init(): Promise<void> {}

  async acquireConnection(): Promise<DatabaseConnection> {
    return new StreamspaceConnection();
  }

  async beginTransaction(connection: DatabaseConnection, settings: TransactionSettings): Promise<void> {
    const { transactionTimeoutMs } = this.#config;
    const isolation = isolationOf(settings);
    await ours(connection).begin({
      ...(isolation === undefined ? {} : { isolation }),
      ...(settings.accessMode === 'read only' ? { readOnly: true } : {}),
      ...(transactionTimeoutMs === undefined ? {} : { timeoutMs: transactionTimeoutMs }),
    });
  }

  async commitTransaction(connection: DatabaseConnection): Promise<void> {
    await ours(connection).end('commit');
  }

  async rollbackTransaction(connection: DatabaseConnection): Promise<void> {
    await ours(connection).end('rollback');
  }

  async savepoint(connection: DatabaseConnection, name: string): Promise<void> {
    await connection.executeQuery(CompiledQuery.raw(`savepoint ${quoted(name)}`));
  }

  async rollbackToSavepoint(connection: DatabaseConnection, name: string): Promise<void> {
    await connection.executeQuery(CompiledQuery.raw(`rollback to savepoint ${quoted(name)}`));
  }

  async releaseSavepoint(connection: DatabaseConnection, name: string): Promise<void> {
    await connection.executeQuery(CompiledQuery.raw(`release savepoint ${quoted(name)}`));
  }

  async releaseConnection(connection: DatabaseConnection): Promise<void> {
    await ours(connection).end('rollback');
  }

  async destroy(): Promise<void> {}
}

/** What Kysely takes for a connection: a transaction, or the database where there is none. */
class StreamspaceConnection implements DatabaseConnection {
  #open: OpenTransaction | null = null;

  async begin(options: DatabaseTransactionOptions): Promise<void> {
    this.#open = await OpenTransaction.begin(streamspace.database, options);
  }

  /** Does nothing where no transaction is open. */
  async end(how: 'commit' | 'rollback'): Promise<void> {
    const open = this.#open;
    this.#open = null;
    await open?.[how]();
  }

  async executeQuery<R>({ sql, parameters }: CompiledQuery): Promise<QueryResult<R>> {
    const { command, count, rows } = await this.#queries().exec<R>(sql, parameters as readonly DatabaseParameter[]);
    return CHANGES.has(command) ? { rows, numAffectedRows: BigInt(count) } : { rows };
  }

  async *streamQuery<R>({ sql, parameters }: CompiledQuery, chunkSize: number): AsyncIterableIterator<QueryResult<R>> {
    let rows: R[] = [];
    for await (const row of this.#queries().stream<R>(sql, parameters as readonly DatabaseParameter[])) {
      if (rows.push(row) < chunkSize) continue;
      yield { rows };
      rows = [];
    }
    if (rows.length > 0) yield { rows };
  }

  #queries(): DatabaseQueries {
    return this.#open?.tx ?? streamspace.database;
  }
}

/** Commands whose count is of rows that were changed. */
const CHANGES: ReadonlySet<string> = new Set(['INSERT', 'UPDATE', 'DELETE', 'MERGE']);

/** @throws Error for a level that Postgres does not have */
function isolationOf({ isolationLevel }: TransactionSettings): DatabaseTransactionOptions['isolation'] {
  // Postgres has no dirty reads: it takes the one for the other as well.
  if (isolationLevel === 'read uncommitted') return 'read committed';
  if (isolationLevel === 'snapshot')
    throw new Error('Postgres has no isolation level "snapshot": "repeatable read" is it');
  return isolationLevel;
}

function ours(connection: DatabaseConnection): StreamspaceConnection {
  if (connection instanceof StreamspaceConnection) return connection;
  throw new TypeError('The connection is not one of this dialect');
}

function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}
