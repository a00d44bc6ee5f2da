import { sql } from 'kysely';
import type { StorageQuota } from '../../sandbox-apis/storage/limits.ts';
import type { Db } from '../db/client.ts';

/** The rows of plugin_storage_usage: each has to be there, with the quota of the moment, before its plugin writes. */
export interface QuotaRows {
  of(plugin: string): StorageQuota;
  /** Writes the quota to the row when it is another than last time: the triggers know no other. */
  keep(plugin: string): Promise<void>;
  /** The row is gone, or may be. */
  forget(plugin: string): void;
}

export function createQuotaRows(db: Db, quotaOf: (plugin: string) => StorageQuota): QuotaRows {
  /** As far as this process knows. */
  const written = new Map<string, StorageQuota>();
  return {
    of: quotaOf,
    async keep(plugin) {
      const quota = quotaOf(plugin);
      const last = written.get(plugin);
      if (last?.bytes === quota.bytes && last.keys === quota.keys) return;
      await sql`
        insert into plugin_storage_usage (plugin_name, max_bytes, max_keys)
        values (${plugin}, ${quota.bytes}, ${quota.keys})
        on conflict (plugin_name) do update set max_bytes = excluded.max_bytes, max_keys = excluded.max_keys`.execute(
        db,
      );
      written.set(plugin, quota);
    },
    forget(plugin) {
      written.delete(plugin);
    },
  };
}
