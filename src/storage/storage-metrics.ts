import { Counter, Gauge, type Registry } from 'prom-client';
import type { Db } from '../db/client.ts';
import type { Log } from '../log.ts';

export interface StorageMetrics {
  /** A sweep is over: rows that it removed, and the seconds that it took. */
  swept(rows: number, seconds: number): void;
  /** The usage of a plugin was not what its rows add up to. */
  drifted(): void;
}

/** Prometheus series of storage; bytes and keys of the plugins are read when they are asked for. */
export function createStorageMetrics(registry: Registry, db: Db, log: Log): StorageMetrics {
  const registers = [registry];
  const sweptRows = new Counter({
    name: 'streamspace_storage_expired_removed_total',
    help: 'Expired storage entries that this core removed',
    registers,
  });
  const sweepSeconds = new Gauge({
    name: 'streamspace_storage_sweep_seconds',
    help: 'Time that the last removal of expired entries took',
    registers,
  });
  const drifts = new Counter({
    name: 'streamspace_storage_drifts_total',
    help: 'Times that the usage of a plugin was found wrong and put right',
    registers,
  });
  const perPlugin = (column: 'bytes' | 'keys', what: string) =>
    new Gauge({
      name: `streamspace_plugin_storage_${column}`,
      help: `${what} in storage, expired ones that were not removed yet included`,
      labelNames: ['plugin'],
      registers,
      async collect() {
        const rows = await usages(db, log);
        if (rows === null) return;
        this.reset();
        for (const row of rows) this.labels(row.plugin_name).set(row[column]);
      },
    });
  perPlugin('bytes', 'Bytes of keys and values');
  perPlugin('keys', 'Keys');
  return {
    swept(rows, seconds) {
      sweptRows.inc(rows);
      sweepSeconds.set(seconds);
    },
    drifted: () => drifts.inc(),
  };
}

/** Null when the database does not answer: the other metrics are of use all the more. */
async function usages(db: Db, log: Log) {
  try {
    return await db
      .selectFrom('plugin_storage_usage')
      .select(['plugin_name', 'bytes', 'keys'])
      .where('plugin_name', 'not like', '%@%')
      .execute();
  } catch (error) {
    log.debug({ err: error }, 'the storage usage was not read');
    return null;
  }
}
