import type { Caller } from '../../sandbox-apis/_kit/contract.ts';
import { CodedError } from '../../sandbox-apis/_kit/errors.ts';
import type { DatabaseService, Rows, Statement, TransactionOptions } from '../../sandbox-apis/database/service.ts';
import type { ArrayTypes } from './array-types.ts';
import type { PluginConnection } from './connection.ts';
import { inTransaction, type Outcome, once, TooManyRows } from './exchange.ts';
import { toFailure } from './failures.ts';
import { PLUGIN_DATABASE_LIMITS as LIMITS } from './limits.ts';
import { inlineName, type MigrationFile, runMigrations } from './migrations.ts';
import type { ConnectionPool } from './pool.ts';
import { type RowStream, streamRows } from './row-stream.ts';
import type { SizeWatch } from './size-watch.ts';
import { Slots } from './slots.ts';
import { Transaction } from './transaction.ts';
import { Transactions } from './transactions.ts';
import type { Use, Uses } from './uses.ts';
import { assertStatement, verbOf } from './verbs.ts';

/** The core's own use: no isolate has that number. */
const NO_ISOLATE = -1;

export interface StatementDeps {
  readonly pool: ConnectionPool;
  readonly uses: Uses;
  readonly sizes: SizeWatch;
  readonly types: ArrayTypes;
  /** Whether the isolate that calls has to wait: its plugin's database is being exchanged. */
  readonly isPaused: (caller: Caller) => boolean;
  readonly passed: (caller: Caller) => Promise<void>;
  /** @throws CodedError `database_unavailable` when it has none */
  readonly databaseOf: (caller: Caller) => string;
}

const PLAIN: Pick<TransactionOptions, 'isolation' | 'readOnly'> = { isolation: 'read committed', readOnly: false };

/** A statement that writes may give rows by this word alone. */
const RETURNS_ROWS = /\breturning\b/i;

/** Statements, transactions and streams of the plugins. */
export class StatementService implements DatabaseService {
  readonly #deps: StatementDeps;
  readonly #transactions = new Transactions();
  readonly #longUses = new Slots(LIMITS.longUses);
  readonly #migrating = new Slots(1);

  constructor(deps: StatementDeps) {
    this.#deps = deps;
  }

  async run(caller: Caller, statement: Statement, transaction: number | null): Promise<Rows> {
    const verb = verbOf(statement.sql);
    assertStatement(statement.sql, verb, transaction !== null);
    if (transaction !== null) {
      const within = this.#transactions.of(caller, transaction);
      return within.do(caller.signal, (connection, signal) =>
        this.#within(within.use, connection, statement, verb, signal),
      );
    }
    const { pool, sizes } = this.#deps;
    const use = await this.#begin(caller, caller.signal);
    try {
      const isReadOnly = sizes.admit(use, statement.sql, verb);
      const connection = await this.#connect(use);
      try {
        return isReadOnly
          ? await this.#readOnly(use, connection, statement)
          : await this.#alone(use, connection, statement);
      } finally {
        pool.give(connection);
      }
    } catch (error) {
      throw toFailure(error);
    } finally {
      this.#deps.uses.end(use);
    }
  }

  async stream(caller: Caller, statement: Statement, transaction: number | null): Promise<RowStream> {
    const verb = verbOf(statement.sql);
    assertStatement(statement.sql, verb, transaction !== null);
    const { sizes, types } = this.#deps;
    const admit = (within: Transaction) => () => {
      if (sizes.admit(within.use, statement.sql, verb) && !within.use.isReadOnly) throw stuck(within.use);
    };
    if (transaction !== null) {
      const within = this.#transactions.of(caller, transaction);
      const onEnd = async (): Promise<void> => undefined;
      return streamRows({ transaction: within, types, admit: admit(within), onEnd }, statement, caller.signal);
    }
    const own = await this.#open(caller, { ...PLAIN, timeoutMs: LIMITS.streamMs });
    const onEnd = (isWhole: boolean) => (isWhole ? own.commit() : own.rollback().catch(ignoreOver));
    try {
      const stream = await streamRows({ transaction: own, types, admit: admit(own), onEnd }, statement, caller.signal);
      caller.signal.throwIfAborted();
      return stream;
    } catch (error) {
      await onEnd(false);
      throw error;
    }
  }

  async begin(caller: Caller, options: TransactionOptions): Promise<number> {
    const transaction = await this.#open(caller, options);
    // Nobody will hear its number.
    if (caller.signal.aborted) await transaction.rollback();
    caller.signal.throwIfAborted();
    return this.#transactions.add(caller.isolate, transaction);
  }

  async commit(caller: Caller, transaction: number): Promise<void> {
    const found = this.#transactions.of(caller, transaction);
    this.#transactions.remove(caller, transaction);
    await found.commit();
  }

  async rollback(caller: Caller, transaction: number): Promise<void> {
    const found = this.#transactions.of(caller, transaction);
    this.#transactions.remove(caller, transaction);
    await found.rollback();
  }

  async migrate(caller: Caller, sql: string): Promise<boolean> {
    // One at a time: two that run the same script would both find that it has not run.
    await this.#migrating.take(caller.plugin, caller.signal);
    try {
      const use = await this.#begin(caller, caller.signal);
      return (await this.#runFiles(use, [{ name: inlineName(sql), sql }])).length > 0;
    } finally {
      this.#migrating.give(caller.plugin);
    }
  }

  /** Files of a package, in a database that nobody else uses yet. */
  async runFiles(
    plugin: string,
    database: string,
    files: readonly MigrationFile[],
    signal: AbortSignal,
  ): Promise<readonly string[]> {
    return this.#runFiles(this.#deps.uses.begin(plugin, database, NO_ISOLATE, signal), files);
  }

  /** Ends the use. */
  async #runFiles(use: Use, files: readonly MigrationFile[]): Promise<readonly string[]> {
    const { pool, sizes, uses } = this.#deps;
    try {
      for (const { sql } of files) sizes.admit(use, sql, 'create');
      const connection = await this.#connect(use);
      try {
        return await connection.lend(use.signal, (client) => runMigrations(client, files));
      } finally {
        pool.give(connection);
      }
    } catch (error) {
      throw toFailure(error);
    } finally {
      uses.end(use);
    }
  }

  /** What an isolate that is gone has under way is cancelled, and its transactions are rolled back. */
  onGone(isolate: number): void {
    this.#deps.uses.onGone(isolate, new CodedError('aborted'));
    this.#transactions.onGone(isolate);
  }

  /** @param outer ends the use when it is aborted; null for what outlives the call */
  async #begin(caller: Caller, outer: AbortSignal | null): Promise<Use> {
    const { databaseOf, isPaused, passed, uses } = this.#deps;
    // Nothing may come between the last look and the beginning of the use: a pause waits for the uses that there are.
    while (isPaused(caller)) await passed(caller);
    return uses.begin(caller.plugin, databaseOf(caller), caller.isolate, outer);
  }

  async #connect(use: Use): Promise<PluginConnection> {
    const connection = await this.#deps.pool.take(use.plugin, use.database, use.signal);
    use.connection = connection;
    return connection;
  }

  async #alone(use: Use, connection: PluginConnection, { sql, params }: Statement): Promise<Rows> {
    const isUndone = use.effect !== 'reads' && RETURNS_ROWS.test(sql);
    const outcome = await connection.run(once(sql, params, LIMITS.resultRows, isUndone), use.signal);
    if (outcome.suspended) throw new TooManyRows();
    return this.#rows(connection, outcome, use.signal);
  }

  /** The database is over its quota by what only seemed to read. */
  async #readOnly(use: Use, connection: PluginConnection, { sql, params }: Statement): Promise<Rows> {
    use.isReadOnly = true;
    await connection.control('begin read only');
    try {
      const outcome = await connection.run(inTransaction(sql, params, LIMITS.resultRows), use.signal);
      if (outcome.suspended) throw new TooManyRows();
      return await this.#rows(connection, outcome, use.signal);
    } finally {
      if (!connection.hasEnded) await connection.control('rollback');
    }
  }

  async #within(
    use: Use,
    connection: PluginConnection,
    { sql, params }: Statement,
    verb: string,
    signal: AbortSignal,
  ): Promise<Rows> {
    if (this.#deps.sizes.admit(use, sql, verb) && !use.isReadOnly) throw stuck(use);
    const outcome = await connection.run(inTransaction(sql, params, LIMITS.resultRows), signal);
    if (outcome.suspended) throw new TooManyRows();
    return this.#rows(connection, outcome, signal);
  }

  async #rows(connection: PluginConnection, outcome: Outcome, signal: AbortSignal): Promise<Rows> {
    const { fields, rows, tag } = outcome;
    const columns = fields === null ? [] : await this.#deps.types.columns(connection, fields, signal);
    const count = /\d+$/.exec(tag)?.[0];
    const command = tag.replace(/[ \d]+$/, '');
    return { columns, rows, count: count === undefined ? rows.length : Number(count), command };
  }

  /** Opens a transaction when the plugin has a connection for it. */
  async #open(caller: Caller, options: TransactionOptions): Promise<Transaction> {
    const { pool, uses, sizes } = this.#deps;
    await this.#longUses.take(caller.plugin, caller.signal);
    let use: Use | null = null;
    const end = (connection: PluginConnection | null): void => {
      if (connection !== null) pool.give(connection);
      if (use !== null) uses.end(use);
      this.#longUses.give(caller.plugin);
    };
    try {
      use = await this.#begin(caller, null);
      const onAbort = (): void => use?.abort(caller.signal.reason);
      caller.signal.addEventListener('abort', onAbort, { once: true });
      try {
        const connection = await this.#connect(use);
        const readOnly = options.readOnly || sizes.isStuck(use.database);
        return await Transaction.begin(use, connection, { ...options, readOnly }, (taken) => end(taken));
      } finally {
        caller.signal.removeEventListener('abort', onAbort);
      }
    } catch (error) {
      if (use?.connection === null || use === null) end(null);
      throw toFailure(error);
    }
  }
}

function stuck({ plugin }: Use): CodedError {
  const message = `The database of ${plugin} is far over its quota: read in transactions with readOnly, drop what is not needed`;
  return new CodedError('quota_exceeded', message, { limit: 'databaseBytes', resetsAt: null });
}

/** It ended before: the isolate is gone, or its time was over. */
function ignoreOver(error: unknown): void {
  if (!(error instanceof CodedError)) throw error;
}
