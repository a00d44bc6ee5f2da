import { sql } from 'kysely';
import type { StorageStore } from '../../sandbox-apis/storage/broker.ts';
import { DEFAULT_STORAGE_QUOTA, type StorageQuota } from '../../sandbox-apis/storage/limits.ts';
import type { Db, Trx } from '../db/client.ts';
import { createQuotaRows } from './quota-rows.ts';
import { createReads } from './reads.ts';
import { sweepExpired } from './sweep.ts';
import { createWrites } from './writes.ts';

export interface StorageUsage extends StorageQuota {
  readonly maxBytes: number;
  readonly maxKeys: number;
}

export interface Store extends StorageStore {
  /** What the plugin's rows add up to, expired ones that were not swept yet included, and its quota. */
  usage(plugin: string): Promise<StorageUsage>;
  /** Removes everything that the plugin stored, and its quota; its isolates should be gone by then. */
  dropPlugin(plugin: string, on?: Db | Trx): Promise<void>;
  /** Removes expired rows of all plugins, without a pause, and answers how many. */
  sweep(): Promise<number>;
}

/** A plugin whose isolates are gone writes no more; at most what it sent before still comes. */
const DROP_TRIES = 20;

/**
 * Key-value storage of the plugins in Postgres. Each call is one statement (or part of one), so that concurrent ones cannot
 * mix.
 *
 * @param quotaOf what a plugin may store at the moment; what is over it stays, but grows no more
 */
export function createStore(db: Db, quotaOf: (plugin: string) => StorageQuota = () => DEFAULT_STORAGE_QUOTA): Store {
  const quotas = createQuotaRows(db, quotaOf);

  const usageOf = (plugin: string, on: Db | Trx = db) =>
    on
      .selectFrom('plugin_storage_usage')
      .select(['bytes', 'keys'])
      .where('plugin_name', '=', plugin)
      .executeTakeFirst();

  return {
    ...createReads(db),
    ...createWrites(db, quotas),

    async usage(plugin) {
      const { bytes, keys } = (await usageOf(plugin)) ?? { bytes: 0, keys: 0 };
      const quota = quotaOf(plugin);
      return { bytes, keys, maxBytes: quota.bytes, maxKeys: quota.keys };
    },

    async dropPlugin(plugin, on = db) {
      quotas.forget(plugin);
      // A write that comes in between leaves its row and its count: then once more, until the quota row can go too.
      const gone = async (): Promise<boolean> => {
        // In the order of the keys, as everybody who holds several.
        await sql`
          with locked as materialized (
            select key from plugin_storage where plugin_name = ${plugin} order by key for update
          )
          delete from plugin_storage s using locked where s.plugin_name = ${plugin} and s.key = locked.key`.execute(on);
        await on.deleteFrom('plugin_storage_usage').where('plugin_name', '=', plugin).where('keys', '=', 0).execute();
        return (await usageOf(plugin, on)) === undefined;
      };
      for (let tries = 0; tries < DROP_TRIES; tries += 1) if (await gone()) return;
      throw new Error(`storage of "${plugin}" cannot be dropped while it is written to`);
    },

    sweep: () => sweepExpired(db),
  };
}
