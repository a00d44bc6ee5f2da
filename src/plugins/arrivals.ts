import { CodedError } from '../../sandbox-apis/_kit/errors.ts';
import type { Db, Trx } from '../db/client.ts';
import { ownerLives } from '../replicas/alive.ts';

/** A first install that has begun and not ended. */
export interface Arrival {
  readonly name: string;
  /** There was data of an earlier install, which stays. */
  readonly keepsData: boolean;
}

/**
 * Notes that a first install begins: what it leaves is found by this when a crash cuts it short.
 *
 * @param owner the core that does it
 * @throws CodedError `conflict` when another does
 */
export async function beginArrival(db: Db, { name, keepsData }: Arrival, owner: string | null = null): Promise<void> {
  const row = { plugin_name: name, keeps_data: keepsData, owner };
  const added = await db
    .insertInto('plugin_arrivals')
    .values(row)
    .onConflict((conflict) => conflict.doNothing())
    .returning('plugin_name')
    .executeTakeFirst();
  if (added === undefined) throw new CodedError('conflict', `Another core installs ${name} at the moment`);
}

/**
 * In the transaction that installs the plugin, or drops what it left.
 *
 * @returns whether it was still noted: another core that started meanwhile may have taken it for a crash's
 */
export async function endArrival(trx: Trx, name: string): Promise<boolean> {
  const gone = await trx
    .deleteFrom('plugin_arrivals')
    .where('plugin_name', '=', name)
    .returning('plugin_name')
    .execute();
  return gone.length > 0;
}

/**
 * Those that a crash, or a database that went away, has left; of one plugin when it is named. Those of other cores that
 * live are under way.
 *
 * @param owner this core
 */
export async function unfinishedArrivals(db: Db, name?: string, owner: string | null = null): Promise<Arrival[]> {
  let query = db.selectFrom('plugin_arrivals').select(['plugin_name', 'keeps_data']);
  query = query.where((where) => where.or([where('owner', '=', owner), where.not(ownerLives('owner'))]));
  if (name !== undefined) query = query.where('plugin_name', '=', name);
  const rows = await query.execute();
  return rows.map(({ plugin_name, keeps_data }) => ({ name: plugin_name, keepsData: keeps_data }));
}
