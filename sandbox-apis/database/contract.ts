import { Type } from '@sinclair/typebox';
import { defineCall, defineRoom } from '../_kit/contract.ts';
import type { ErrorCode } from '../_kit/errors.ts';
import { DATABASE_LIMITS } from './limits.ts';
import { KIND, PERMISSION } from './permission.ts';

const closed = { additionalProperties: false };
const { statementMs, transactionMs } = DATABASE_LIMITS;

/** The oids of Postgres are 32 bits without a sign. */
const Oid = Type.Integer({ minimum: 0, maximum: 2 ** 32 - 1 });
const Transaction = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER });
const Value = Type.Union([Type.String(), Type.Null()]);
const Columns = Type.Array(Type.Object({ name: Type.String(), type: Oid, element: Type.Optional(Oid) }, closed), {
  maxItems: DATABASE_LIMITS.columns,
});

const Sql = Type.String({ minLength: 1, maxLength: DATABASE_LIMITS.sqlChars });
const statement = {
  sql: Sql,
  /** Values in Postgres' text format. */
  params: Type.Array(Type.Union([Type.String({ maxLength: DATABASE_LIMITS.paramChars }), Type.Null()]), {
    maxItems: DATABASE_LIMITS.params,
  }),
};

const Result = Type.Object(
  {
    columns: Columns,
    rows: Type.Array(Type.Array(Value, { maxItems: DATABASE_LIMITS.columns }), { maxItems: DATABASE_LIMITS.rows }),
    count: Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER }),
    command: Type.String(),
  },
  closed,
);
const Opened = Type.Object({ columns: Columns, stream: Type.Integer({ minimum: 0 }) }, closed);

const needs = (): string => PERMISSION;
const FAILURES = ['database_error', 'database_unavailable'] as const satisfies readonly ErrorCode[];
const RUN = [...FAILURES, 'database_result_too_large'] as const satisfies readonly ErrorCode[];
/**
 * Only plain statements take turns. A transaction or stream waits for a connection that others have; what these need to end
 * (their own statements, or a plain one inside of a callback) must not wait behind it.
 */
const noTurn = { needs, outOfTurn: true } as const;

export const databaseContract = defineRoom({
  name: 'database',
  summary: 'A PostgreSQL database of your own: SQL with parameters, transactions, migrations.',
  permissions: [KIND],
  atOnce: DATABASE_LIMITS.callsAtOnce,
  calls: {
    query: defineCall({
      summary: 'Run one statement in a transaction of its own.',
      input: Type.Object(statement, closed),
      output: Result,
      errors: RUN,
      deadlineMs: statementMs,
      needs,
    }),
    stream: defineCall({
      summary: 'Run one statement, and read its rows as they come.',
      input: Type.Object(statement, closed),
      output: Opened,
      errors: RUN,
      deadlineMs: statementMs,
      ...noTurn,
    }),
    begin: defineCall({
      summary: 'Begin a transaction, which ends by itself after its time.',
      input: Type.Object(
        {
          isolation: Type.Optional(
            Type.Union([Type.Literal('read committed'), Type.Literal('repeatable read'), Type.Literal('serializable')]),
          ),
          readOnly: Type.Optional(Type.Boolean()),
          timeoutMs: Type.Optional(Type.Integer({ minimum: transactionMs.least, maximum: transactionMs.most })),
        },
        closed,
      ),
      output: Type.Object({ transaction: Transaction }, closed),
      errors: FAILURES,
      deadlineMs: statementMs,
      ...noTurn,
    }),
    txQuery: defineCall({
      summary: 'Run one statement in a transaction that was begun.',
      input: Type.Object({ ...statement, transaction: Transaction }, closed),
      output: Result,
      errors: [...RUN, 'transaction_over'],
      deadlineMs: statementMs,
      ...noTurn,
    }),
    txStream: defineCall({
      summary: 'Run one statement in a transaction that was begun, and read its rows as they come.',
      input: Type.Object({ ...statement, transaction: Transaction }, closed),
      output: Opened,
      errors: [...RUN, 'transaction_over'],
      deadlineMs: statementMs,
      ...noTurn,
    }),
    commit: defineCall({
      summary: 'Keep what a transaction did.',
      input: Type.Object({ transaction: Transaction }, closed),
      output: Type.Object({}, closed),
      errors: [...FAILURES, 'transaction_over'],
      deadlineMs: statementMs,
      ...noTurn,
    }),
    rollback: defineCall({
      summary: 'Undo what a transaction did.',
      input: Type.Object({ transaction: Transaction }, closed),
      output: Type.Object({}, closed),
      errors: [...FAILURES, 'transaction_over'],
      deadlineMs: statementMs,
      ...noTurn,
    }),
    migrate: defineCall({
      summary: 'Run a script once, in a transaction.',
      input: Type.Object({ sql: Sql }, closed),
      output: Type.Object({ ran: Type.Boolean() }, closed),
      errors: [...FAILURES, 'migration_changed', 'migration_failed'],
      deadlineMs: DATABASE_LIMITS.migrateMs,
      ...noTurn,
    }),
  },
});
