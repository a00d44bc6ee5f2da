import type { Db, Trx } from '../db/client.ts';
import { transact } from '../db/transact.ts';
import { inSpan } from '../telemetry/scope.ts';
import type { Instance } from './instance.ts';
import type { Loads } from './loads.ts';
import type { Stage } from './stages.ts';
import { assertAlive } from './traffic.ts';

export interface CarryOutDeps {
  readonly db: Db;
  readonly loads: Pick<Loads, 'commit'>;
}

/**
 * Makes a change for which a stage was opened: loads, then writes everything in one transaction. When either fails,
 * nothing has changed and nothing is left.
 *
 * @param load makes the new instance, on the stage's database; null when none is to run
 * @param write the rows that change; what was staged counts with them
 */
export async function carryOut<T>(
  { db, loads }: CarryOutDeps,
  stage: Stage,
  { load, write }: { readonly load: () => Promise<Instance | null>; readonly write: (trx: Trx) => Promise<T> },
): Promise<{ readonly written: T; readonly instance: Instance | null }> {
  let instance: Instance | null = null;
  let released: () => void = () => undefined;
  let written: T;
  try {
    instance = await load();
    if (instance !== null) released = loads.commit(instance);
    written = await inSpan('plugin commit', {}, () =>
      transact(db, async (trx) => {
        const rows = await write(trx);
        await stage.commit(trx);
        assertAlive(instance);
        return rows;
      }),
    );
  } catch (error) {
    instance?.guest.dispose();
    released();
    await stage.abandon(error);
    throw error;
  }
  released();
  await stage.settle();
  return { written, instance };
}
