import { type Selectable, sql } from 'kysely';
import type { Db, Trx } from '../db/client.ts';
import type { RestorePoints as Row } from '../db/tables.ts';
import type { PluginRow, PluginSource } from '../plugins/store.ts';
import { ownerLives } from '../replicas/alive.ts';
import { RESTORE_POINT_LIMITS } from './limits.ts';

export const RESTORE_REASONS = ['upgrade', 'rollback', 'manual', 'backup'] as const;
export type RestoreReason = (typeof RESTORE_REASONS)[number];

/** What a plugin was at a time, and is again after a rollback to it. */
export interface RestorePoint {
  readonly id: number;
  readonly plugin: string;
  /** What was about to happen: an upgrade, a rollback; or somebody asked for it. */
  readonly reason: RestoreReason;
  readonly version: string;
  readonly packageDigest: string;
  readonly source: PluginSource;
  /** Without its sensitive values. */
  readonly config: Record<string, unknown>;
  readonly grants: readonly string[];
  readonly limits: Record<string, unknown>;
  /** Its closed database; null when it had none. */
  readonly database: string | null;
  readonly createdAt: Date;
}

/** Adds a point that does not count yet. @param owner the core that prepares it */
export async function insertPoint(
  trx: Trx,
  row: PluginRow,
  reason: RestoreReason,
  owner: string | null = null,
): Promise<number> {
  const { id } = await trx
    .insertInto('restore_points')
    .values({
      plugin_name: row.name,
      reason,
      version: row.version,
      package_digest: row.packageDigest,
      source: row.source,
      config: JSON.stringify(row.config),
      grants: [...row.grants],
      limits: JSON.stringify(row.limits),
      owner,
    })
    .returning('id')
    .executeTakeFirstOrThrow();
  return id;
}

/** @throws Error when the point is gone, which ends the transaction of the change that it was made for */
export async function markReady(trx: Trx, id: number, database: string | null): Promise<void> {
  await trx
    .updateTable('restore_points')
    .set({ ready: true, database })
    .where('id', '=', id)
    .returning('id')
    .executeTakeFirstOrThrow();
}

/** Those of a plugin, the newest first. */
export async function listPoints(db: Db, plugin: string): Promise<RestorePoint[]> {
  const rows = await db
    .selectFrom('restore_points')
    .selectAll()
    .where('plugin_name', '=', plugin)
    .where('ready', '=', true)
    .orderBy('id', 'desc')
    .execute();
  return rows.map(toPoint);
}

/** Points that a crash left before they counted: no core that lives prepares them. */
export async function unfinishedPoints(db: Db): Promise<number[]> {
  const rows = await db
    .selectFrom('restore_points')
    .select('id')
    .where('ready', '=', false)
    .where((where) => where.not(ownerLives('owner')))
    .execute();
  return rows.map(({ id }) => id);
}

/** The points of a plugin that are too many or too old; the newest is never among them. */
export async function outlivedPoints(db: Db, plugin: string): Promise<number[]> {
  const { count, days } = RESTORE_POINT_LIMITS;
  const { rows } = await sql<{ id: number }>`
    select id from (
      select id, created_at, row_number() over (order by id desc) as nth
      from restore_points where plugin_name = ${plugin} and ready
    ) as point
    where nth > 1 and (nth > ${count} or created_at < now() - ${days} * interval '1 day')`.execute(db);
  return rows.map(({ id }) => id);
}

/** The plugin of a point, whether that counts or not. */
export async function pluginOf(trx: Trx, id: number): Promise<string | null> {
  const row = await trx.selectFrom('restore_points').select('plugin_name').where('id', '=', id).executeTakeFirst();
  return row?.plugin_name ?? null;
}

export async function pluginsWithPoints(db: Db): Promise<string[]> {
  const rows = await db.selectFrom('restore_points').select('plugin_name').distinct().execute();
  return rows.map(({ plugin_name }) => plugin_name);
}

/** @returns the database that it named, which nobody names now; null when there was none */
export async function deletePoint(trx: Trx, id: number): Promise<string | null> {
  const row = await trx.deleteFrom('restore_points').where('id', '=', id).returning('database').executeTakeFirst();
  return row?.database ?? null;
}

function toPoint(row: Selectable<Row>): RestorePoint {
  return {
    id: row.id,
    plugin: row.plugin_name,
    reason: row.reason as RestoreReason,
    version: row.version,
    packageDigest: row.package_digest,
    source: row.source as PluginSource,
    config: row.config as Record<string, unknown>,
    grants: row.grants,
    limits: row.limits as Record<string, unknown>,
    database: row.database,
    createdAt: row.created_at,
  };
}
