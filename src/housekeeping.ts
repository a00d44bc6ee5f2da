import type { Db } from './db/client.ts';
import type { Log } from './log.ts';
import type { Leases } from './replicas/leases.ts';
import { RESTORE_POINT_LIMITS } from './restore-points/limits.ts';
import type { Rotation } from './secrets/rotation.ts';
import type { StorageMetrics } from './storage/storage-metrics.ts';
import { startSweeper } from './storage/sweeper.ts';

/** How often it is looked whether another replica changed the key, in milliseconds: what it signed counts no more. */
const KEY_WATCH_MS = 30_000;

export interface HousekeepingDeps {
  readonly db: Db;
  readonly log: Log;
  readonly metrics: StorageMetrics;
  readonly leases: Pick<Leases, 'during'>;
  readonly rotation: Pick<Rotation, 'refresh'>;
  readonly pruneRestorePoints: () => Promise<void>;
  /** @returns stops it */
  readonly startFileSweep: () => () => Promise<void> | void;
}

/** Removes from time to time what has expired, is too old, or is named by nothing. @returns stops all of it */
export function startHousekeeping(deps: HousekeepingDeps): () => Promise<void> {
  const { db, log, metrics, leases, rotation } = deps;
  const sweeper = startSweeper({ db, log, metrics });
  const stopFileSweep = deps.startFileSweep();
  const pruner = setInterval(() => {
    leases
      .during('prune restore points', deps.pruneRestorePoints)
      .catch((error: unknown) => log.error({ err: error }, 'restore points that are too old were not removed'));
  }, RESTORE_POINT_LIMITS.pruneMs);
  const keyWatch = setInterval(() => {
    rotation.refresh().catch((error: unknown) => log.error({ err: error }, 'which key is in use was not read'));
  }, KEY_WATCH_MS);
  return async () => {
    clearInterval(keyWatch);
    clearInterval(pruner);
    await stopFileSweep();
    await sweeper.stop();
  };
}
