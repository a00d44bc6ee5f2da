import pg from 'pg';
import { CodedError } from '../../../sandbox-apis/_kit/errors.ts';
import { Clock } from '../copy.ts';
import { reasonOf } from '../failures.ts';
import { BACKUP_LIMITS } from '../limits.ts';
import { settle } from './session.ts';
import type { DataTable, SchemaStatement, SequenceValue, Stage } from './statement.ts';

const REASON_CHARS = 1_000;
/** What the rows need to be there. */
const HOLDS_ROWS: ReadonlySet<string> = new Set(['table', 'partition']);

/**
 * Makes a schema again in an empty database, as the role that is to own it, in the stages of its statements. Those whose
 * turn comes too early fail, and are tried again when others have run, until none is left or none runs any more: so
 * nobody has to know what depends on what.
 */
export class SchemaMaker {
  readonly #session: pg.Client;
  #pending: readonly SchemaStatement[];

  /** @param session a connection as the owner, nothing open in it; whoever gives it ends what takes too long */
  constructor(session: pg.Client, statements: readonly SchemaStatement[]) {
    this.#session = session;
    this.#pending = statements;
  }

  /** Everything that the rows need. @throws CodedError `restore_failed` that names the first statement that cannot run */
  async before(): Promise<void> {
    await settle(this.#session, 'plugin', [
      ['check_function_bodies', 'off'],
      // Of a crash nothing is kept anyway: the database is nobody's until it is whole.
      ['synchronous_commit', 'off'],
    ]);
    await this.#run(['make']);
    await this.#run(['make', 'derive']);
    const missing = this.#pending.find(({ kind }) => HOLDS_ROWS.has(kind));
    if (missing !== undefined) await this.#fail(missing);
  }

  /** Everything that was to wait for the rows. Same errors. */
  async after(): Promise<void> {
    await this.#run(['make', 'derive', 'finish']);
    const [first] = this.#pending;
    if (first !== undefined) await this.#fail(first);
  }

  async setSequence({ sequence, last, called }: SequenceValue): Promise<void> {
    const name = `plugin.${pg.escapeIdentifier(sequence)}`;
    await this.#session.query('select pg_catalog.setval($1::regclass, $2::bigint, $3::boolean)', [name, last, called]);
  }

  async #run(stages: readonly Stage[]): Promise<void> {
    let left = this.#pending.filter(({ stage }) => stages.includes(stage));
    const later = this.#pending.filter(({ stage }) => !stages.includes(stage));
    for (let before = left.length + 1; left.length > 0 && left.length < before; ) {
      before = left.length;
      const failed: SchemaStatement[] = [];
      for (const statement of left) if ((await this.#attempt(statement)) !== null) failed.push(statement);
      left = failed;
    }
    this.#pending = [...left, ...later];
  }

  /** Why it cannot run now; null when it did. @throws when the connection is lost */
  async #attempt({ sql }: SchemaStatement): Promise<pg.DatabaseError | null> {
    const clock = new Clock(this.#session, BACKUP_LIMITS.statementMs);
    clock.wind();
    try {
      // As dynamic SQL of a block it is one statement, and none that ends a transaction.
      await this.#session.query(`do ${pg.escapeLiteral(`begin execute ${pg.escapeLiteral(sql)}; end`)}`);
      return null;
    } catch (error) {
      // 57: cancelled, or the server goes down; that does not become better by trying again.
      if (!(error instanceof pg.DatabaseError) || error.code?.startsWith('57')) throw error;
      return error;
    } finally {
      clock.stop();
    }
  }

  async #fail(statement: SchemaStatement): Promise<void> {
    const error = await this.#attempt(statement);
    if (error === null) return;
    const { kind, name } = statement;
    const why = reasonOf(error).slice(0, REASON_CHARS);
    throw new CodedError('restore_failed', `The ${kind} ${name} cannot be made: ${why}`, {
      kind,
      name,
      sqlstate: error.code,
    });
  }
}

/** `plugin."t" ("a", "b")`, for COPY. */
export function copyTarget({ table, columns }: DataTable): string {
  const list = columns.map((column) => pg.escapeIdentifier(column)).join(', ');
  // A table may have none, or generated ones only: then there is nothing to list, and still a line for each row.
  return `plugin.${pg.escapeIdentifier(table)}${list === '' ? '' : ` (${list})`}`;
}
