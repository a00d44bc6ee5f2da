import type { Static } from '@sinclair/typebox';
import type { Caller, Handlers } from '../_kit/contract.ts';
import { CodedError } from '../_kit/errors.ts';
import type { databaseContract } from './contract.ts';
import { DATABASE_LIMITS } from './limits.ts';
import type { DatabaseService, Rows, Statement } from './service.ts';

export interface DatabaseDeps {
  readonly databases: DatabaseService;
}

type Calls = (typeof databaseContract)['calls'];
type Result = Static<Calls['query']['output']>;
type Opened = Static<Calls['stream']['output']>;

const NUL = '\0';
/** Bytes that JSON may make of one UTF-16 unit: `\u0000`. */
const WORST_BYTES = 6;

/** The core's half of `streamspace.database`. */
export function createDatabaseBroker({ databases }: DatabaseDeps): Handlers<typeof databaseContract> {
  return {
    query: async (caller, input) => fitting(await databases.run(caller, checked(input), null)),
    txQuery: async (caller, input) => fitting(await databases.run(caller, checked(input), input.transaction)),
    stream: async (caller, input) => sent(caller, await databases.stream(caller, checked(input), null)),
    txStream: async (caller, input) => sent(caller, await databases.stream(caller, checked(input), input.transaction)),
    begin: async (caller, { isolation = 'read committed', readOnly = false, timeoutMs }) => {
      const limited = timeoutMs ?? DATABASE_LIMITS.transactionMs.default;
      return { transaction: await databases.begin(caller, { isolation, readOnly, timeoutMs: limited }) };
    },
    commit: async (caller, { transaction }) => {
      await databases.commit(caller, transaction);
      return {};
    },
    rollback: async (caller, { transaction }) => {
      await databases.rollback(caller, transaction);
      return {};
    },
    migrate: async (caller, { sql }) => {
      checkSql(sql);
      return { ran: await databases.migrate(caller, sql) };
    },
  };
}

/**
 * Refuses what would not arrive as it was meant: the protocol ends a statement at U+0000, and UTF-8 has no half of a
 * surrogate pair.
 * @throws CodedError `invalid_input`
 */
function checked({ sql, params }: Statement): Statement {
  checkSql(sql);
  for (const [index, value] of params.entries()) {
    if (value !== null && !value.isWellFormed()) {
      throw new CodedError('invalid_input', `params[${index}]: holds half a surrogate pair`);
    }
  }
  return { sql, params };
}

function checkSql(sql: string): void {
  if (sql.includes(NUL)) throw new CodedError('invalid_input', 'sql: holds U+0000');
  if (!sql.isWellFormed()) throw new CodedError('invalid_input', 'sql: holds half a surrogate pair');
}

/** Lets the plugin read the rows; the statement is ended when it cannot. */
function sent(caller: Caller, { columns, rows }: Awaited<ReturnType<DatabaseService['stream']>>): Opened {
  try {
    caller.signal.throwIfAborted();
    return { columns: [...columns], stream: caller.sendStream(rows) };
  } catch (error) {
    // What is thrown says why; that the statement could not be ended besides is the service's to log.
    rows.cancel(error).catch(() => undefined);
    throw error;
  }
}

/** @throws CodedError `database_result_too_large` when it does not fit one answer */
function fitting(result: Rows): Result {
  const answer = result as unknown as Result;
  let units = 0;
  for (const row of answer.rows) {
    units += 3;
    for (const value of row) units += value === null ? 5 : value.length + 3;
  }
  for (const { name } of answer.columns) units += name.length + 50;
  if (units * WORST_BYTES <= DATABASE_LIMITS.resultBytes) return answer;
  if (units <= DATABASE_LIMITS.resultBytes) {
    const bytes = Buffer.byteLength(JSON.stringify(answer));
    if (bytes <= DATABASE_LIMITS.resultBytes) return answer;
  }
  throw new CodedError(
    'database_result_too_large',
    `The rows are more than the ${DATABASE_LIMITS.resultBytes} bytes of one answer: read them with database.stream, or fewer with limit`,
    { limit: DATABASE_LIMITS.resultBytes },
  );
}
