import { sql } from 'kysely';
import type { Db, Trx } from './client.ts';

/** Times that the outcome of a commit is asked for, and the pause between, in milliseconds: a failover takes a minute. */
const TRIES = 240;
const PAUSE_MS = 250;

/** SQLSTATEs of a transaction that had to make way for another, and works when it is begun again. */
const MADE_WAY: ReadonlySet<unknown> = new Set(['40P01', '40001']);
const ATTEMPTS = 3;

/**
 * Runs `work` in a transaction, like Kysely; it is run anew when it had to make way for another transaction. And when the connection is lost in the moment of the commit, it asks the
 * database what became of it. For changes after which something outside the database is kept or dropped.
 *
 * @param work touches nothing but the database
 * @throws what `work` throws, or the error of the commit when it did not take place or nobody can tell (`unknown`)
 */
export async function transact<T>(db: Db, work: (trx: Trx) => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await once(db, work);
    } catch (error) {
      const { code } = error as { code?: unknown };
      if (!MADE_WAY.has(code) || attempt === ATTEMPTS) throw error;
    }
  }
}

async function once<T>(db: Db, work: (trx: Trx) => Promise<T>): Promise<T> {
  let reached: { readonly id: string; readonly value: T } | null = null;
  try {
    return await db.transaction().execute(async (trx) => {
      const value = await work(trx);
      const { rows } = await sql<{ id: string }>`select pg_current_xact_id()::text as id`.execute(trx);
      reached = { id: rows[0]?.id ?? '', value };
      return value;
    });
  } catch (error) {
    const ended = reached as { readonly id: string; readonly value: T } | null;
    if (ended === null) throw error;
    const outcome = await outcomeOf(db, ended.id);
    if (outcome === 'committed') return ended.value;
    throw outcome === 'aborted' ? error : new OutcomeUnknown(error);
  }
}

/** Nobody can tell whether a transaction took place: what depends on it is to be left as it is until the next start. */
export class OutcomeUnknown extends Error {
  constructor(cause: unknown) {
    super('The database was lost in the moment of a commit', { cause });
    this.name = 'OutcomeUnknown';
  }
}

async function outcomeOf(db: Db, id: string): Promise<'committed' | 'aborted' | 'unknown'> {
  for (let tries = 0; tries < TRIES; tries += 1) {
    const status = await sql<{ status: string | null }>`select pg_xact_status(${id}::xid8) as status`.execute(db).then(
      ({ rows }) => rows[0]?.status ?? null,
      // Not there yet: asked again.
      () => null,
    );
    if (status === 'committed' || status === 'aborted') return status;
    await Bun.sleep(PAUSE_MS);
  }
  return 'unknown';
}
