import { sql } from 'kysely';
import { CodedError } from '../../sandbox-apis/_kit/errors.ts';
import type { Db, Trx } from '../db/client.ts';
import { lockSealed } from './sealed-tables.ts';

/** What the database says of the key: the truth, whatever files and processes say. */
export interface KeyRow {
  readonly keyId: string;
  readonly retired: readonly string[];
  readonly rotatedAt: Date | null;
}

/** Milliseconds that a rotation waits for those who write sealed values: installs and changes of configuration. */
const WAIT_MS = 10_000;
const AGAIN_MS = 50;
/** lock_not_available, deadlock_detected: SQLSTATEs. */
const TAKEN: ReadonlySet<unknown> = new Set(['55P03', '40P01']);

/** @param lock kept until the transaction ends: `share` by who seals, `update` by who changes the key */
export async function readKeyRow(on: Db | Trx, lock: 'none' | 'share' | 'update' = 'none'): Promise<KeyRow | null> {
  let query = on.selectFrom('secret_key').select(['key_id', 'retired', 'rotated_at']);
  if (lock === 'share') query = query.forShare();
  if (lock === 'update') query = query.forUpdate();
  const row = await query.executeTakeFirst();
  return row === undefined ? null : { keyId: row.key_id, retired: row.retired, rotatedAt: row.rotated_at };
}

/** Says which key the first one is; of several that do at a time, one wins. */
export async function addKeyRow(on: Db | Trx, keyId: string): Promise<void> {
  await on
    .insertInto('secret_key')
    .values({ key_id: keyId })
    .onConflict((conflict) => conflict.doNothing())
    .execute();
}

/** From the commit on `keyId` is the key. */
export async function moveKeyRow(trx: Trx, before: KeyRow, keyId: string): Promise<void> {
  const retired = [...before.retired.filter((id) => id !== keyId), before.keyId];
  await trx.updateTable('secret_key').set({ key_id: keyId, retired, rotated_at: sql`now()` }).execute();
}

/**
 * Runs `work` in a transaction beside which nobody seals anything, nor another that changes the key. It waits for those
 * who do while it holds nothing itself, so it stands in nobody's way.
 *
 * @throws CodedError `conflict` when they take longer than 10 s; what `work` throws
 */
export async function exclusively<T>(db: Db, work: (trx: Trx, row: KeyRow | null) => Promise<T>): Promise<T> {
  const end = performance.now() + WAIT_MS;
  for (;;) {
    let begun = false;
    try {
      return await db.transaction().execute(async (trx) => {
        await sql`select set_config('lock_timeout', ${`${WAIT_MS}ms`}, true)`.execute(trx);
        const row = await readKeyRow(trx, 'update');
        await lockSealed(trx);
        begun = true;
        return work(trx, row);
      });
    } catch (error) {
      if (begun || !TAKEN.has((error as { code?: unknown }).code)) throw error;
      if (performance.now() > end) {
        throw new CodedError(
          'conflict',
          'Plugins are being installed or configured: the key cannot change meanwhile. Try again',
        );
      }
      await Bun.sleep(AGAIN_MS);
    }
  }
}
