import { CodedError } from '../../sandbox-apis/_kit/errors.ts';
import type { Manifest } from '../packages/manifest.ts';
import type { PackageFiles } from '../packages/read.ts';
import type { PermissionCatalog } from '../permissions/grants.ts';
import type { Lifecycle } from '../plugins/lifecycle.ts';
import type { Plugin } from '../plugins/plugin.ts';
import { type Settings, storedSettings } from '../plugins/settings.ts';
import type { Keys } from '../secrets/keys.ts';
import type { Vault } from '../secrets/vault.ts';
import { damaged, incompatible } from './failures.ts';
import type { StagedCore, StagedRow } from './staging.ts';

export interface DecideDeps {
  readonly lifecycle: Pick<Lifecycle, 'get' | 'manifestOf' | 'packageOf'>;
  readonly permissions: PermissionCatalog;
  readonly keys: Pick<Keys, 'open'>;
  readonly vault: Pick<Vault, 'getAll'>;
}

/** What a plugin is to be after its restore. */
export interface Wanted {
  readonly row: StagedRow;
  readonly manifest: Manifest;
  readonly pkg: PackageFiles;
  readonly grants: readonly string[];
  readonly settings: Settings;
  /** Secrets that cannot be opened here, and that the plugin has none of. */
  readonly secretsMissing: readonly string[];
}

/**
 * Reads from a backup what a plugin is to be, and whether it may: before anything is made.
 *
 * @throws CodedError `consent_required`, `backup_key_differs`, `backup_incompatible`, `backup_damaged`, of the package
 */
export async function decide(
  deps: DecideDeps,
  { plugin, grants }: { readonly plugin: string; readonly grants: 'all' | readonly string[] | null },
  core: StagedCore,
): Promise<Wanted> {
  const { lifecycle, permissions } = deps;
  const row = await core.row();
  const known = lifecycle.get(plugin) ?? null;
  const pkg = await packageFor(deps, plugin, core, row, known);
  const manifest = lifecycle.manifestOf(pkg);
  if (manifest.name !== plugin || manifest.version !== row.version) {
    throw damaged(`its package is ${manifest.name} ${manifest.version}, not ${plugin} ${row.version}`);
  }
  const granted = permissions.resolve(manifest, grants, known?.row.grants ?? []);
  const { settings, secretsMissing } = await settingsFor(deps, plugin, core, row, known !== null);
  // What is disabled may still lack something.
  if (known?.row.enabled) checkSettings(manifest, settings, secretsMissing);
  return { row, manifest, pkg, grants: granted, settings, secretsMissing };
}

/** Of an upload it is in the backup; what runs from a folder has to be there. */
async function packageFor(
  { lifecycle }: DecideDeps,
  plugin: string,
  core: StagedCore,
  { digest, version }: StagedRow,
  known: Plugin | null,
): Promise<PackageFiles> {
  const pkg = await core.package(digest);
  if (pkg !== null && (known === null || known.row.source === 'upload')) return pkg;
  if (known === null) {
    throw incompatible(
      `${plugin} came from a folder where the backup was made: put ${version} into a watched folder first`,
    );
  }
  const here = await lifecycle.packageOf(known);
  if (lifecycle.manifestOf(here).version === version) return here;
  throw incompatible(`${plugin} runs from a folder that holds another version: put ${version} there first`);
}

/** Of secrets that cannot be opened here the plugin keeps those that it has now. */
async function settingsFor(
  { keys, vault }: DecideDeps,
  plugin: string,
  core: StagedCore,
  row: StagedRow,
  isKnown: boolean,
): Promise<Pick<Wanted, 'settings' | 'secretsMissing'>> {
  const now = isKnown ? await vault.getAll(plugin) : {};
  const secrets: Record<string, string> = {};
  const secretsMissing: string[] = [];
  for (const { name, sealed, key_id } of await core.secrets()) {
    try {
      secrets[name] = keys.open({ plugin, name }, { sealed, key_id });
    } catch (error) {
      if (!(error instanceof CodedError) || error.code !== 'secrets_unreadable') throw error;
      const kept = now[name];
      if (kept === undefined) secretsMissing.push(name);
      else secrets[name] = kept;
    }
  }
  return { settings: { plain: row.config, secrets }, secretsMissing };
}

function checkSettings(manifest: Manifest, settings: Settings, missing: readonly string[]): void {
  try {
    storedSettings(manifest, settings);
  } catch (error) {
    if (missing.length === 0 || !(error instanceof CodedError)) throw error;
    throw new CodedError(
      'backup_key_differs',
      `The backup was made under another key, and ${manifest.name} has no value of its own for ${missing.join(', ')}: ` +
        'configure these first, or disable it',
      { ...error.extra, secrets: missing },
    );
  }
}
