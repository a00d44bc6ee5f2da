import { sql } from 'kysely';
import { version as platform } from '../../package.json' with { type: 'json' };
import type { NewRegistration } from '../../sandbox-apis/_kit/registrations.ts';
import type { Db } from '../db/client.ts';
import type { Log } from '../log.ts';
import type { Manifest } from '../packages/manifest.ts';
import type { Plugin } from './plugin.ts';
import type { PluginPackages } from './plugin-packages.ts';

/** What is stored of a plugin that hibernates while the core is stopped. */
export interface Dormant {
  readonly packageDigest: string;
  readonly manifest: Manifest;
  readonly registrations: readonly NewRegistration[];
}

/** Whether the package of a plugin is the one of which it was stored: somebody may have changed its folder meanwhile. */
export async function isUnchanged(
  plugin: Plugin,
  { packageDigest }: Dormant,
  packages: PluginPackages,
  log: Log,
): Promise<boolean> {
  // `takeDormant` has looked at the row, and what that names does not change.
  if (plugin.row.source === 'upload') return true;
  try {
    return (await packages.of(plugin)).digest === packageDigest;
  } catch (error) {
    log.warn({ err: error, plugin: plugin.name }, 'the folder of a plugin that hibernates cannot be read');
    return false;
  }
}

/** Stores what these plugins registered, those of them that hibernate; the next start need not load them. */
export async function storeDormant(db: Db, plugins: readonly Plugin[]): Promise<void> {
  const rows = plugins.flatMap(({ name, row, manifest, state }) => {
    if (state.kind !== 'hibernated' || manifest === null) return [];
    const { packageDigest } = row;
    const dormant: Dormant = { packageDigest, manifest, registrations: state.kept.list() };
    return [{ name, resting: { ...dormant, platform } }];
  });
  if (rows.length === 0) return;
  await sql`
    update installed_plugins as plugin
    set resting = stored.resting || jsonb_build_object('updatedAt', plugin.updated_at)
    from jsonb_to_recordset(cast(${JSON.stringify(rows)}::text as jsonb)) as stored(name text, resting jsonb)
    where plugin.name = stored.name`.execute(db);
}

/**
 * Takes what was stored, so that it counts for one start: by name, and only where it still holds. It does not for another
 * version of the platform, nor after any change of the plugin's row (package, configuration, grants, limits).
 */
export async function takeDormant(db: Db): Promise<Map<string, Dormant>> {
  const { rows } = await sql<{ name: string; resting: Dormant }>`
    with stored as (select name, resting from installed_plugins where resting is not null for update)
    update installed_plugins as plugin set resting = null from stored
    where plugin.name = stored.name
    returning plugin.name,
      case
        when stored.resting -> 'updatedAt' = to_jsonb(plugin.updated_at) and stored.resting ->> 'platform' = ${platform}
          and stored.resting ->> 'packageDigest' = plugin.package_digest
        then stored.resting
      end as resting`.execute(db);
  return new Map(rows.flatMap(({ name, resting }) => (resting === null ? [] : [[name, resting] as const])));
}
