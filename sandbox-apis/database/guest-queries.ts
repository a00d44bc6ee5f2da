import { type GuestHost, settle } from '../_kit/guest.ts';
import type { DatabaseEnv, DatabaseQueries, DatabaseResult } from './guest.ts';
import { lineReader } from './guest-lines.ts';
import { createRows } from './guest-rows.ts';
import { createStatements, type Statements } from './guest-statement.ts';
import type { Column, Row, Rows, Statement } from './service.ts';

/** The number of the transaction that a call belongs to; null for none. @throws Error when the transaction is over */
export type Target = () => number | null;

export interface Queries {
  readonly statements: Statements;
  /** The calls that run SQL, within what `target` names. */
  within(target: Target): DatabaseQueries;
}

/** Makes what runs the SQL of one isolate. */
export function createQueries(host: GuestHost, env: DatabaseEnv): Queries {
  const { indexOf, parse, slice } = env;
  const statements = createStatements(env);
  const rowsOf = createRows(env);

  /** Not async: the stack of what the core refuses then names the line that called. */
  function call<T>(target: Target, inside: string, outside: string, statement: Statement): Promise<T> {
    const transaction = target();
    return transaction === null
      ? host.call<T>(outside, statement)
      : host.call<T>(inside, { sql: statement.sql, params: statement.params, transaction });
  }

  async function exec<T>(target: Target, sql: unknown, params: unknown): Promise<DatabaseResult<T>> {
    const answer = call<Rows>(target, 'database.txQuery', 'database.query', statements.of(sql, params));
    const { columns, rows, count, command } = await answer;
    const toObject = rowsOf(columns);
    const out = rows as unknown[];
    for (let at = 0; at < out.length; at += 1) out[at] = toObject(out[at] as Row);
    return { count, rows: out as T[], command };
  }

  async function* stream<T>(target: Target, statement: Statement): AsyncGenerator<T, undefined, undefined> {
    const opened = call<{ columns: Column[]; stream: number }>(
      target,
      'database.txStream',
      'database.stream',
      statement,
    );
    const { columns, stream: id } = await opened;
    const toObject = rowsOf(columns);
    const reader = host.readStream(id).getReader();
    const next = lineReader(reader, env.decode);
    try {
      for (let lines = await next(); lines !== null; lines = await next()) {
        for (let from = 0; from < lines.length; ) {
          const found = indexOf(lines, '\n', from);
          const end = found < 0 ? lines.length : found;
          yield toObject(parse(slice(lines, from, end)) as Row) as T;
          from = end + 1;
        }
      }
    } finally {
      // What has ended or failed by itself takes no notice.
      await settle(reader.cancel(), noop, noop);
    }
  }

  return {
    statements,
    within: (target) => ({
      async query<T>(sql: unknown, params?: unknown) {
        const { rows } = await exec<T>(target, sql, params);
        return rows;
      },
      async queryRow<T>(sql: unknown, params?: unknown) {
        const { rows } = await exec<T>(target, sql, params);
        return rows.length === 0 ? null : (rows[0] as T);
      },
      async exec<T>(sql: unknown, params?: unknown) {
        return await exec<T>(target, sql, params);
      },
      stream: <T>(sql: unknown, params?: unknown) => stream<T>(target, statements.of(sql, params)),
    }),
  };
}

function noop(): void {}
