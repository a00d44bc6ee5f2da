import { CodedError } from '../../sandbox-apis/_kit/errors.ts';
import type { TransactionOptions } from '../../sandbox-apis/database/service.ts';
import type { PluginConnection } from './connection.ts';
import { toFailure } from './failures.ts';
import type { Use } from './uses.ts';

const ISOLATION = {
  'read committed': 'read committed',
  'repeatable read': 'repeatable read',
  serializable: 'serializable',
} as const satisfies Record<TransactionOptions['isolation'], string>;

/** A transaction of a plugin on a connection of its own. What it is asked to do is done in turn. */
export class Transaction {
  readonly use: Use;
  readonly #connection: PluginConnection;
  readonly #onOver: (connection: PluginConnection) => void;
  readonly #timer: ReturnType<typeof setTimeout>;
  #turn: Promise<unknown> = Promise.resolve();
  /** Why nothing can be done in it any more. */
  #over: CodedError | null = null;
  #portals = 0;

  private constructor(
    use: Use,
    connection: PluginConnection,
    timeoutMs: number,
    onOver: (connection: PluginConnection) => void,
  ) {
    this.use = use;
    this.#connection = connection;
    this.#onOver = onOver;
    this.#timer = setTimeout(() => use.abort(over(`it was open for ${timeoutMs} ms, its timeoutMs`)), timeoutMs);
    use.signal.addEventListener('abort', this.#onAbort, { once: true });
    if (use.signal.aborted) this.#onAbort();
  }

  /** @param onOver takes the connection back, whatever becomes of it */
  static async begin(
    use: Use,
    connection: PluginConnection,
    { isolation, readOnly, timeoutMs }: TransactionOptions,
    onOver: (connection: PluginConnection) => void,
  ): Promise<Transaction> {
    try {
      use.isReadOnly = readOnly;
      await connection.control(
        `begin isolation level ${ISOLATION[isolation]} ${readOnly ? 'read only' : 'read write'}`,
      );
    } catch (error) {
      onOver(connection);
      throw toFailure(error);
    }
    return new Transaction(use, connection, timeoutMs, onOver);
  }

  get isOver(): boolean {
    return this.#over !== null;
  }

  /** A name for a portal, used once. */
  nextPortal(): string {
    this.#portals += 1;
    return `streamspace_${this.#portals}`;
  }

  /**
   * Does something in it when its turn comes.
   *
   * @param signal of the call that asks; the transaction's own end is among what aborts `work`
   * @throws CodedError `transaction_over`, or what `work` throws
   */
  do<T>(signal: AbortSignal, work: (connection: PluginConnection, signal: AbortSignal) => Promise<T>): Promise<T> {
    return this.#inTurn(async () => {
      this.#assertOpen();
      const both = signal === this.use.signal ? signal : AbortSignal.any([signal, this.use.signal]);
      try {
        return await work(this.#connection, both);
      } catch (error) {
        throw toFailure(error);
      } finally {
        this.use.effect = null;
        this.use.verb = null;
        // The guest's own statement, or the loss of the connection, has ended it.
        if (this.#connection.status === 'I' || this.#connection.hasEnded) this.#end(over('it ended before'));
      }
    });
  }

  /** @throws CodedError `database_error` when a statement had failed, or the commit does: nothing is kept then */
  commit(): Promise<void> {
    return this.#inTurn(async () => {
      this.#assertOpen();
      const hasFailed = this.#connection.status === 'E';
      try {
        const tag = await this.#connection.control(hasFailed ? 'rollback' : 'commit');
        if (tag === 'COMMIT') return;
      } catch (error) {
        throw toFailure(error);
      } finally {
        this.#end(over('it was committed, or tried to'));
      }
      throw new CodedError(
        'database_error',
        'A statement of the transaction had failed, so all of it was rolled back',
        { sqlstate: IN_FAILED_TRANSACTION },
      );
    });
  }

  rollback(): Promise<void> {
    return this.#inTurn(async () => {
      this.#assertOpen();
      await this.#undo(over('it was rolled back'));
    });
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#turn.then(work);
    this.#turn = done.catch(() => undefined);
    return done;
  }

  #assertOpen(): void {
    if (this.#over !== null) throw this.#over;
    if (this.use.signal.aborted) throw reasonOf(this.use.signal);
  }

  /** What runs in it was cancelled by the same signal. */
  #onAbort = (): void => {
    void this.#inTurn(async () => {
      if (this.#over === null) await this.#undo(reasonOf(this.use.signal));
    });
  };

  async #undo(reason: CodedError): Promise<void> {
    try {
      await this.#connection.control('rollback');
    } catch {
      // The connection is lost, and the transaction with it.
      this.#connection.destroy();
    }
    this.#end(reason);
  }

  #end(reason: CodedError): void {
    if (this.#over !== null) return;
    this.#over = reason;
    clearTimeout(this.#timer);
    this.use.signal.removeEventListener('abort', this.#onAbort);
    this.#onOver(this.#connection);
  }
}

/** SQLSTATE in_failed_sql_transaction. */
const IN_FAILED_TRANSACTION = '25P02';

function over(why: string): CodedError {
  return new CodedError('transaction_over', `The transaction is over: ${why}`);
}

/** Whoever asks later is told that it is over, and why. */
function reasonOf({ reason }: AbortSignal): CodedError {
  if (reason instanceof CodedError && reason.code !== 'aborted') return reason;
  return over('its isolate or its call is gone');
}
