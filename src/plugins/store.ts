import { sql } from 'kysely';
import { CodedError } from '../../sandbox-apis/_kit/errors.ts';
import type { Db, Trx } from '../db/client.ts';
import type { Manifest } from '../packages/manifest.ts';

export type PluginSource = 'builtin' | 'folder' | 'upload';

/** An installed plugin as the database has it. */
export interface PluginRow {
  readonly id: number;
  readonly name: string;
  readonly version: string;
  readonly source: PluginSource;
  readonly packageDigest: string;
  readonly enabled: boolean;
  /** Without its sensitive values: those are in the vault. */
  readonly config: Record<string, unknown>;
  readonly grants: readonly string[];
  /** What the admin set; the manifest's own wishes are in the manifest. */
  readonly limits: Record<string, unknown>;
  /** Whether it has a process of its own. */
  readonly ownProcess: boolean;
  readonly quarantineReason: string | null;
  /** Of its last change, in which all cores find it; two changes never have the same. */
  readonly revision: number;
  /** The revision since which what was loaded before is out of date. */
  readonly generation: number;
  readonly installedAt: Date;
  readonly updatedAt: Date;
}

export type NewPluginRow = Omit<
  PluginRow,
  'id' | 'quarantineReason' | 'revision' | 'generation' | 'installedAt' | 'updatedAt'
> & {
  readonly installedBy: string | null;
};

type Columns = Partial<
  Pick<
    PluginRow,
    'version' | 'packageDigest' | 'enabled' | 'config' | 'grants' | 'limits' | 'ownProcess' | 'quarantineReason'
  >
>;

export async function listPlugins(db: Db): Promise<PluginRow[]> {
  const rows = await db.selectFrom('installed_plugins').selectAll().orderBy('name').execute();
  return rows.map(toRow);
}

/** As the database has it now; null when it is not installed. */
export async function readPlugin(db: Db | Trx, name: string): Promise<PluginRow | null> {
  const row = await db.selectFrom('installed_plugins').selectAll().where('name', '=', name).executeTakeFirst();
  return row === undefined ? null : toRow(row);
}

/**
 * Inserts a plugin, or replaces what is there under the name; config, grants and limits are the given ones.
 *
 * @param revision of what it replaces; null for one that is not there
 * @throws CodedError `conflict` when another core has changed it since
 */
export async function savePlugin(trx: Trx, plugin: NewPluginRow, revision: number | null): Promise<PluginRow> {
  const values = {
    version: plugin.version,
    source: plugin.source,
    package_digest: plugin.packageDigest,
    enabled: plugin.enabled,
    config: JSON.stringify(plugin.config),
    grants: [...plugin.grants],
    limits: JSON.stringify(plugin.limits),
    own_process: plugin.ownProcess,
  };
  const row = await trx
    .insertInto('installed_plugins')
    .values({ name: plugin.name, installed_by: plugin.installedBy, ...values })
    .onConflict((conflict) =>
      conflict
        .column('name')
        .doUpdateSet({ ...values, updated_at: sql`now()` })
        .where('installed_plugins.revision', '=', revision ?? -1),
    )
    .returningAll()
    .executeTakeFirst();
  return toRow(row ?? changedMeanwhile(plugin.name));
}

/**
 * @param revision of the row that the change was made for; null when it holds whatever the row is
 * @throws CodedError `conflict` when another core has changed it since
 */
export async function updatePlugin(
  db: Db | Trx,
  name: string,
  change: Columns,
  revision: number | null = null,
): Promise<PluginRow> {
  const update = db
    .updateTable('installed_plugins')
    .set({
      ...(change.version === undefined ? {} : { version: change.version }),
      ...(change.packageDigest === undefined ? {} : { package_digest: change.packageDigest }),
      ...(change.enabled === undefined ? {} : { enabled: change.enabled }),
      ...(change.config === undefined ? {} : { config: JSON.stringify(change.config) }),
      ...(change.grants === undefined ? {} : { grants: [...change.grants] }),
      ...(change.limits === undefined ? {} : { limits: JSON.stringify(change.limits) }),
      ...(change.ownProcess === undefined ? {} : { own_process: change.ownProcess }),
      ...(change.quarantineReason === undefined ? {} : { quarantine_reason: change.quarantineReason }),
      updated_at: sql<Date>`now()`,
    })
    .where('name', '=', name);
  const found = revision === null ? update : update.where('revision', '=', revision);
  return toRow((await found.returningAll().executeTakeFirst()) ?? changedMeanwhile(name));
}

function changedMeanwhile(name: string): never {
  throw new CodedError(
    'conflict',
    `The plugin ${name} was changed by another core meanwhile: look at it, and try again`,
  );
}

/** Has every core load the plugin anew. */
export async function renewPlugin(db: Db, name: string): Promise<PluginRow> {
  const row = await db
    .updateTable('installed_plugins')
    .set({ generation: sql<number>`nextval('plugin_revisions')` })
    .where('name', '=', name)
    .returningAll()
    .executeTakeFirst();
  return toRow(row ?? changedMeanwhile(name));
}

export async function deletePlugin(trx: Trx, name: string): Promise<void> {
  await trx.deleteFrom('installed_plugins').where('name', '=', name).execute();
}

/** Keeps the archive of an upload, so that this version can be loaded again at any time. */
export async function savePackage(trx: Trx, digest: string, archive: Uint8Array): Promise<void> {
  await trx
    .insertInto('packages')
    .values({ digest, archive: Buffer.from(archive), size_bytes: archive.byteLength })
    .onConflict((conflict) => conflict.doNothing())
    .execute();
}

export async function readPackage(db: Db, digest: string): Promise<Uint8Array | null> {
  const row = await db.selectFrom('packages').select('archive').where('digest', '=', digest).executeTakeFirst();
  return row?.archive ?? null;
}

/** Removes archives that no version of any plugin names any more. */
export async function dropUnusedPackages(trx: Trx): Promise<void> {
  await sql`
    delete from packages where digest not in (
      select package_digest from plugin_versions union select package_digest from installed_plugins
      union select package_digest from restore_points
    )`.execute(trx);
}

/** A version that a plugin had, or has. */
export interface PluginVersion {
  readonly version: string;
  readonly packageDigest: string;
  /** When it was installed first. */
  readonly installedAt: Date;
  /** Whether its package is kept. */
  readonly isKept: boolean;
}

/** Every version that a plugin had since it was installed, the newest first. */
export async function listVersions(db: Db, plugin: string): Promise<PluginVersion[]> {
  const rows = await db
    .selectFrom('plugin_versions')
    .leftJoin('packages', 'packages.digest', 'plugin_versions.package_digest')
    .select(['plugin_versions.version', 'package_digest', 'plugin_versions.created_at', 'packages.digest as kept'])
    .where('plugin_name', '=', plugin)
    .orderBy('plugin_versions.id', 'desc')
    .execute();
  return rows.map((row) => ({
    version: row.version,
    packageDigest: row.package_digest,
    installedAt: row.created_at,
    isKept: row.kept !== null,
  }));
}

export async function saveVersion(trx: Trx, manifest: Manifest, digest: string): Promise<void> {
  await trx
    .insertInto('plugin_versions')
    .values({
      plugin_name: manifest.name,
      version: manifest.version,
      package_digest: digest,
      manifest: JSON.stringify(manifest),
    })
    .onConflict((conflict) => conflict.doNothing())
    .execute();
}

function toRow(row: {
  id: number;
  name: string;
  version: string;
  source: string;
  package_digest: string;
  enabled: boolean;
  config: unknown;
  grants: string[];
  limits: unknown;
  own_process: boolean;
  quarantine_reason: string | null;
  revision: number;
  generation: number;
  installed_at: Date;
  updated_at: Date;
}): PluginRow {
  return {
    id: row.id,
    name: row.name,
    version: row.version,
    source: row.source as PluginSource,
    packageDigest: row.package_digest,
    enabled: row.enabled,
    config: row.config as Record<string, unknown>,
    grants: row.grants,
    limits: row.limits as Record<string, unknown>,
    ownProcess: row.own_process,
    quarantineReason: row.quarantine_reason,
    revision: row.revision,
    generation: row.generation,
    installedAt: row.installed_at,
    updatedAt: row.updated_at,
  };
}
