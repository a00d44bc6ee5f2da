import { type GuestHost, settle } from '../_kit/guest.ts';
import type { DatabaseApi, DatabaseEnv, DatabaseTransaction, DatabaseTransactionOptions } from './guest.ts';
import type { Queries } from './guest-queries.ts';

/** SQLSTATEs of a transaction that lost against another one, and may win when it is tried again. */
const SERIALIZATION_FAILURE = '40001';
const DEADLOCK = '40P01';
const MOST_RETRIES = 10;

type Callback = (tx: DatabaseTransaction) => unknown;

/** A transaction, or a part of one, that callbacks may use until it is over. */
interface Scope {
  readonly transaction: number;
  over: boolean;
  /** A part of it is open, which has the transaction for itself. */
  hasPart: boolean;
}

/** Makes `database.transaction` of one isolate. */
export function createTransaction(host: GuestHost, env: DatabaseEnv, queries: Queries): DatabaseApi['transaction'] {
  const { StreamSpaceError, bind } = env;
  let lastSavepoint = 0;

  function within(scope: Scope): DatabaseTransaction {
    const target = (): number => {
      if (scope.over) {
        throw new StreamSpaceError('transaction_over', 'The transaction has ended: use tx only inside its callback');
      }
      if (scope.hasPart) {
        throw new StreamSpaceError(
          'invalid_input',
          'A nested transaction is open: use the tx that its callback was given',
        );
      }
      return scope.transaction;
    };
    const { query, queryRow, exec, stream } = queries.within(target);
    const transaction = async (callback: unknown): Promise<unknown> => {
      const run = checked(callback);
      lastSavepoint += 1;
      const savepoint = `streamspace_${lastSavepoint}`;
      const part: Scope = { transaction: scope.transaction, over: false, hasPart: false };
      const begun = exec(`savepoint ${savepoint}`);
      scope.hasPart = true;
      const end = (): void => {
        part.over = true;
        scope.hasPart = false;
      };
      let isBegun = false;
      let value: unknown;
      try {
        await begun;
        isBegun = true;
        value = await run(within(part));
      } catch (error) {
        end();
        // What was thrown says more; a transaction that is not undone so far fails at its next statement.
        if (isBegun) await settle(exec(`rollback to savepoint ${savepoint}`), noop, noop);
        throw error;
      }
      end();
      await exec(`release savepoint ${savepoint}`);
      return value;
    };
    return { query, queryRow, exec, stream, transaction: transaction as DatabaseTransaction['transaction'] };
  }

  function checked(callback: unknown): Callback {
    if (typeof callback === 'function') return bind(callback as Callback);
    throw new StreamSpaceError('invalid_input', 'callback: is not a function');
  }

  async function once(run: Callback, transaction: number): Promise<unknown> {
    const scope: Scope = { transaction, over: false, hasPart: false };
    let value: unknown;
    try {
      value = await run(within(scope));
    } catch (error) {
      scope.over = true;
      // What the callback threw says more; and what is not rolled back now is when its time is up.
      await settle(host.call('database.rollback', { transaction }), noop, noop);
      throw error;
    }
    scope.over = true;
    await host.call('database.commit', { transaction });
    return value;
  }

  async function transaction(callback: unknown, options: DatabaseTransactionOptions = {}): Promise<unknown> {
    const run = checked(callback);
    const { isolation, readOnly, timeoutMs, retries = 0 } = options;
    if (typeof retries !== 'number' || !(retries >= 0 && retries <= MOST_RETRIES)) {
      throw new StreamSpaceError('invalid_input', `retries: is not a number from 0 to ${MOST_RETRIES}`);
    }
    for (let left = retries; ; left -= 1) {
      const begun = await host.call<{ transaction: number }>('database.begin', { isolation, readOnly, timeoutMs });
      try {
        return await once(run, begun.transaction);
      } catch (error) {
        if (left < 1 || !hasLost(error)) throw error;
      }
    }
  }
  return transaction as DatabaseApi['transaction'];
}

function hasLost(error: unknown): boolean {
  const sqlstate = (error as { sqlstate?: unknown } | null | undefined)?.sqlstate;
  return sqlstate === SERIALIZATION_FAILURE || sqlstate === DEADLOCK;
}

function noop(): void {}
