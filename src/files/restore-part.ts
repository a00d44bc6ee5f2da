import { sql } from 'kysely';
import type { RestorePart } from '../restore-points/parts.ts';
import { lockUsage } from './index-rows.ts';

const COLUMNS = sql`path, blob, size, sha256, content_type, metadata, created_at, updated_at`;

/**
 * The index of a plugin's files. The blobs stay where they are: as long as a restore point has one, it is not removed, and
 * as no blob ever changes, what is restored is what was captured.
 */
export const filesPart: RestorePart = {
  async capture(trx, plugin, point) {
    await lockUsage(trx, plugin);
    await sql`
      insert into restore_point_files (point, ${COLUMNS})
      select ${point}, ${COLUMNS} from plugin_files where plugin_name = ${plugin}`.execute(trx);
  },

  async restore(trx, plugin, point) {
    await lockUsage(trx, plugin);
    // What was allowed once comes back even where less is allowed by now.
    await sql`set local streamspace.unlimited_files = 'on'`.execute(trx);
    await sql`delete from plugin_files where plugin_name = ${plugin}`.execute(trx);
    await sql`
      insert into plugin_files_usage (plugin_name, max_bytes, max_files) values (${plugin}, 0, 0)
      on conflict (plugin_name) do nothing`.execute(trx);
    await sql`
      insert into plugin_files (plugin_name, ${COLUMNS})
      select ${plugin}, ${COLUMNS} from restore_point_files where point = ${point}`.execute(trx);
    await sql`set local streamspace.unlimited_files = 'off'`.execute(trx);
  },

  async drop(trx, point) {
    const row = await trx.selectFrom('restore_points').select('plugin_name').where('id', '=', point).executeTakeFirst();
    if (row === undefined) return;
    await lockUsage(trx, row.plugin_name);
    await sql`delete from restore_point_files where point = ${point}`.execute(trx);
  },

  async merge(trx, plugin, space, point) {
    await sql`
      insert into plugin_files_usage (plugin_name, max_bytes, max_files)
      select ${plugin}, max_bytes, max_files from plugin_files_usage where plugin_name = ${space}
      on conflict (plugin_name) do nothing`.execute(trx);
    await lockUsage(trx, plugin);
    await lockUsage(trx, space);
    await sql`
      delete from plugin_files f using restore_point_files base
      where f.plugin_name = ${plugin} and base.point = ${point} and base.path = f.path and base.blob = f.blob
        and not exists (select from plugin_files next where next.plugin_name = ${space} and next.path = f.path)`.execute(
      trx,
    );
    await sql`
      insert into plugin_files (plugin_name, ${COLUMNS})
      select ${plugin}, ${COLUMNS} from plugin_files next where next.plugin_name = ${space} and not exists (
        select from restore_point_files base
        where base.point = ${point} and base.path = next.path and base.blob = next.blob
          and base.metadata = next.metadata and base.content_type = next.content_type)
      on conflict (plugin_name, path) do update
      set blob = excluded.blob, size = excluded.size, sha256 = excluded.sha256, content_type = excluded.content_type,
        metadata = excluded.metadata, created_at = excluded.created_at, updated_at = excluded.updated_at`.execute(trx);
    // Who pays for what is written there from now on.
    await sql`update plugin_blobs set plugin_name = ${plugin} where plugin_name = ${space}`.execute(trx);
  },

  async forget(trx, space) {
    await lockUsage(trx, space);
    await sql`delete from plugin_files where plugin_name = ${space}`.execute(trx);
    await sql`delete from plugin_files_usage where plugin_name = ${space}`.execute(trx);
  },
};
