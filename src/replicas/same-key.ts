import type { Db } from '../db/client.ts';
import { sealingKey } from '../secrets/envelope.ts';
import { readKeyRow } from '../secrets/key-row.ts';
import type { KeySource } from '../secrets/key-source.ts';
import { ReplicaRefused } from './refused.ts';
import type { Replica } from './replica.ts';

/**
 * Looks whether this core has the key of the cores that live, before it takes its own for a new one. Keys of the
 * environment are changed one core after the other, and are not its business.
 *
 * @throws ReplicaRefused when it has another in its data folder, or none
 */
export async function assertSameKey(db: Db, source: KeySource, replica: Pick<Replica, 'others'>): Promise<void> {
  if (source.kind !== 'file') return;
  const row = await readKeyRow(db);
  if (row === null || source.read().some((master) => sealingKey(master).id === row.keyId)) return;
  if ((await replica.others()).length === 0) return;
  throw new ReplicaRefused(
    'Other cores run on this database with a secret key that is not in DATA_DIR/secret.key here: give all of them the ' +
      'same STREAMSPACE_SECRET_KEY. If they have just died, start again in 10 seconds',
  );
}
