import pg from 'pg';
import { CodedError } from '../../sandbox-apis/_kit/errors.ts';
import { TooManyRows } from './exchange.ts';
import { PLUGIN_DATABASE_LIMITS as LIMITS } from './limits.ts';
import { withoutNames } from './names.ts';

/** Serialization failure and deadlock: the same again may pass. */
const RETRYABLE: ReadonlySet<string> = new Set(['40001', '40P01']);
/** Shutdown, crash of a neighbour, starting up, too many connections, a closed or dropped database, lost connections. */
const UNAVAILABLE = /^(57P0[1-5]|53300|55000|3D000|08...)$/;
/** What concerns the server alone: its messages name files, processes, addresses. */
const SERVERS_OWN = /^(53|58|F0|XX|28|57)/;
const OWN_WORDS: Readonly<Record<string, string>> = {
  53100: 'the disk of the database is full, or a temporary file of this statement is too large',
  53200: 'the statement needs more memory than the database gives it, or too many locks',
  53400: 'a temporary file of this statement is too large: sort or join less at a time',
  57014: 'the statement was cancelled',
};
const FIELDS = ['detail', 'hint', 'schema', 'table', 'column', 'constraint'] as const;

/** An error of a statement as its plugin may see it: what Postgres says of the statement, nothing of the server. */
export function toFailure(error: unknown): unknown {
  if (error instanceof CodedError) return error;
  if (error instanceof TooManyRows) {
    const message = `The result has over ${LIMITS.resultRows} rows: read them with database.stream, or fewer with limit`;
    return new CodedError('database_result_too_large', message, { limit: LIMITS.resultRows });
  }
  if (error instanceof pg.DatabaseError) return ofServer(error);
  return error instanceof Error && isLost(error) ? unavailable() : error;
}

/** The database cannot be reached now; what was under way is undone unless it was committing. */
export function unavailable(message?: string): CodedError {
  return new CodedError('database_unavailable', message, { retryable: true });
}

function ofServer(error: pg.DatabaseError): CodedError {
  const sqlstate = error.code ?? 'XX000';
  if (UNAVAILABLE.test(sqlstate)) return unavailable();
  const retryable = RETRYABLE.has(sqlstate) ? { retryable: true } : {};
  if (SERVERS_OWN.test(sqlstate)) {
    const message = OWN_WORDS[sqlstate] ?? 'the database failed at this statement';
    return new CodedError('database_error', message, { sqlstate, ...retryable });
  }
  const fields: Record<string, unknown> = {};
  for (const name of FIELDS) {
    const text = error[name];
    if (text !== undefined) fields[name] = cut(text);
  }
  const position = Number(error.position);
  if (position > 0) fields.position = position;
  return new CodedError('database_error', cut(error.message), { sqlstate, ...fields, ...retryable });
}

/** Whether it is the end of a connection rather than a fault of the core. */
function isLost(error: Error): boolean {
  return 'code' in error || /^(Connection terminated|timeout expired|Client)/.test(error.message);
}

function cut(text: string): string {
  const clean = withoutNames(text);
  return clean.length > LIMITS.errorChars ? `${clean.slice(0, LIMITS.errorChars)}…` : clean;
}
