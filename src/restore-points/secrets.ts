import { sql } from 'kysely';
import type { Db, Trx } from '../db/client.ts';
import type { Keys } from '../secrets/keys.ts';
import type { RestorePoint } from './store.ts';

/** Copies a plugin's secrets as they are sealed. */
export async function captureSecrets(trx: Trx, keys: Pick<Keys, 'hold'>, plugin: string, point: number): Promise<void> {
  await keys.hold(trx);
  await sql`
    insert into restore_point_secrets (point, name, sealed, key_id)
    select ${point}, name, sealed, key_id from plugin_secrets where plugin_name = ${plugin}`.execute(trx);
}

/** The secrets of a point, by name. @throws CodedError `secrets_unreadable` */
export async function readSecrets(
  db: Db,
  keys: Pick<Keys, 'open'>,
  { plugin, id }: RestorePoint,
): Promise<Record<string, string>> {
  const rows = await db
    .selectFrom('restore_point_secrets')
    .select(['name', 'sealed', 'key_id'])
    .where('point', '=', id)
    .execute();
  return Object.fromEntries(rows.map((row) => [row.name, keys.open({ plugin, name: row.name }, row)]));
}
