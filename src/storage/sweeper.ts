import { setTimeout as sleep } from 'node:timers/promises';
import type { Db } from '../db/client.ts';
import type { Log } from '../log.ts';
import { claimCount, recount } from './recount.ts';
import type { StorageMetrics } from './storage-metrics.ts';
import { sweepExpired } from './sweep.ts';

/** When storage is tidied up; in milliseconds but for the last. */
export const SWEEP_TIMES = {
  /** From the end of a sweep to the next: expired entries read as absent at once, their bytes count until then. */
  everyMs: 60_000,
  /** The longest pause after a batch. It is as long as the batch took, so half of the database's time is left. */
  pauseMs: 1_000,
  /** After which the sums of a plugin are looked at again: nothing is known that makes them wrong. */
  countSeconds: 86_400,
} as const;

export interface SweeperDeps {
  readonly db: Db;
  readonly log: Log;
  readonly metrics: Pick<StorageMetrics, 'swept' | 'drifted'>;
  readonly times?: typeof SWEEP_TIMES | { readonly [name in keyof typeof SWEEP_TIMES]: number };
}

export interface Sweeper {
  /** Ends it; resolves when the statement under way is done. */
  stop(): Promise<void>;
}

/**
 * Removes expired entries every minute, and once a day adds up what each plugin stores. Every core of a cluster does, each
 * with what the others have not taken.
 */
export function startSweeper({ db, log, metrics, times = SWEEP_TIMES }: SweeperDeps): Sweeper {
  const end = new AbortController();
  const { signal } = end;
  const rest = (ms: number): Promise<unknown> => sleep(ms, undefined, { signal }).catch(() => undefined);

  async function sweep(): Promise<void> {
    const begun = performance.now();
    const removed = await sweepExpired(db, { pause: (ms) => rest(Math.min(ms, times.pauseMs)), signal });
    metrics.swept(removed, (performance.now() - begun) / 1000);
  }

  async function count(): Promise<void> {
    while (!signal.aborted) {
      const plugin = await claimCount(db, times.countSeconds);
      if (plugin === null) return;
      const drift = await recount(db, plugin);
      if (drift === null) continue;
      metrics.drifted();
      log.error({ ...drift }, 'the storage usage of a plugin was wrong, and is right again');
    }
  }

  async function run(): Promise<void> {
    for (;;) {
      await rest(times.everyMs);
      if (signal.aborted) return;
      await sweep().catch((error: unknown) => log.error({ err: error }, 'expired storage entries were not removed'));
      await count().catch((error: unknown) => log.error({ err: error }, 'the storage usage was not counted'));
    }
  }

  const running = run();
  return {
    stop() {
      end.abort();
      return running;
    },
  };
}
