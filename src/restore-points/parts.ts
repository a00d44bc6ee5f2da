import { sql } from 'kysely';
import type { Trx } from '../db/client.ts';

/**
 * A part of a plugin's data that restore points hold besides its database. What a point keeps should reference
 * `restore_points (id)` with `on delete cascade`.
 */
export interface RestorePart {
  /** Copies what the plugin has at the moment. */
  capture(trx: Trx, plugin: string, point: number): Promise<void>;
  /** Makes what was captured all that the plugin has. */
  restore(trx: Trx, plugin: string, point: number): Promise<void>;
  /** The point goes, right after this: releases what no `cascade` reaches. */
  drop(trx: Trx, point: number): Promise<void>;
  /**
   * Makes the plugin's what was changed under the name of a space (spaces.ts) since `restore` filled that from the point.
   * What others changed meanwhile stays, unless it is the same that was changed there.
   */
  merge(trx: Trx, plugin: string, space: string, point: number): Promise<void>;
  /** Removes all under the name of a space. */
  forget(trx: Trx, space: string): Promise<void>;
}

/** The rows of `plugin_storage`, copied inside Postgres. */
export const storagePart: RestorePart = {
  async capture(trx, plugin, point) {
    await sql`
      insert into restore_point_storage (point, key, value, version, expires_at)
      select ${point}, key, value, version, expires_at from plugin_storage
      where plugin_name = ${plugin} and (expires_at is null or expires_at > now())`.execute(trx);
  },

  async restore(trx, plugin, point) {
    await sql`delete from plugin_storage where plugin_name = ${plugin}`.execute(trx);
    // What was allowed once comes back even where less is allowed by now; over the quota it grows no more.
    await sql`
      insert into plugin_storage_usage as u (plugin_name, max_bytes, max_keys)
      select ${plugin}, coalesce(sum(octet_length(key) + octet_length(value::text)), 0), count(*)
      from restore_point_storage where point = ${point}
      on conflict (plugin_name) do update set
        max_bytes = greatest(u.max_bytes, excluded.max_bytes), max_keys = greatest(u.max_keys, excluded.max_keys)`.execute(
      trx,
    );
    // A version never meant another value of its key, so each comes back with the one that it had.
    await sql`
      insert into plugin_storage (plugin_name, key, value, version, expires_at)
      select ${plugin}, key, value, version, expires_at from restore_point_storage where point = ${point}
      on conflict (plugin_name, key) do update
      set value = excluded.value, version = excluded.version, expires_at = excluded.expires_at`.execute(trx);
  },

  async drop() {},

  async merge(trx, plugin, space, point) {
    await sql`
      insert into plugin_storage_usage (plugin_name, max_bytes, max_keys)
      select ${plugin}, max_bytes, max_keys from plugin_storage_usage where plugin_name = ${space}
      on conflict (plugin_name) do nothing`.execute(trx);
    await sql`
      with gone as materialized (
        select s.key from plugin_storage s
        join restore_point_storage base on base.point = ${point} and base.key = s.key and base.version = s.version
        where s.plugin_name = ${plugin}
          and not exists (select from plugin_storage next where next.plugin_name = ${space} and next.key = s.key)
        order by s.key for update of s
      )
      delete from plugin_storage s using gone where s.plugin_name = ${plugin} and s.key = gone.key`.execute(trx);
    await sql`
      insert into plugin_storage (plugin_name, key, value, version, expires_at)
      select ${plugin}, next.key, next.value, next.version, next.expires_at
      from plugin_storage next
      left join restore_point_storage base on base.point = ${point} and base.key = next.key
      where next.plugin_name = ${space} and next.version is distinct from base.version
      order by next.key
      on conflict (plugin_name, key) do update
      set value = excluded.value, version = excluded.version, expires_at = excluded.expires_at`.execute(trx);
  },

  async forget(trx, space) {
    await sql`delete from plugin_storage where plugin_name = ${space}`.execute(trx);
    await sql`delete from plugin_storage_usage where plugin_name = ${space}`.execute(trx);
  },
};
