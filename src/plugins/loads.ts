import { CodedError } from '../../sandbox-apis/_kit/errors.ts';
import type { PermissionCatalog } from '../permissions/grants.ts';
import type { Redactor } from '../secrets/redact.ts';
import type { Vault } from '../secrets/vault.ts';
import type { Instance } from './instance.ts';
import { type LoaderDeps, type LoadRequest, loadPlugin } from './loader.ts';
import type { Plugin } from './plugin.ts';
import type { PluginPackages } from './plugin-packages.ts';
import { hasSecrets, type Settings, storedSettings } from './settings.ts';

export interface LoadsDeps {
  readonly loader: LoaderDeps;
  readonly vault: Vault;
  readonly redactor: Redactor;
  readonly permissions: PermissionCatalog;
}

/** Makes instances of installed plugins; nothing is routed to them yet. */
export class Loads {
  readonly #deps: LoadsDeps;
  readonly #packages: PluginPackages;

  constructor(deps: LoadsDeps, packages: PluginPackages) {
    this.#deps = deps;
    this.#packages = packages;
  }

  /**
   * Loads the package as it is now, under the stored settings and grants. A folder's own wishes are granted.
   *
   * @param inspect whether its isolate is to be inspected
   */
  async current(
    plugin: Plugin,
    inspect = false,
  ): Promise<{ instance: Instance; digest: string; grants: readonly string[] }> {
    const { row } = plugin;
    const pkg = await this.#packages.of(plugin);
    const manifest = this.#packages.manifestOf(pkg);
    if (manifest.name !== row.name) {
      throw new CodedError('manifest_invalid', `The name changed from "${row.name}" to "${manifest.name}"`);
    }
    const grants =
      row.source === 'folder'
        ? [...new Set([...row.grants, ...manifest.permissions])].sort()
        : this.#deps.permissions.resolve(manifest, null, row.grants);
    const stored = hasSecrets(manifest) ? await this.stored(plugin) : { plain: row.config, secrets: {} };
    const settings = storedSettings(manifest, stored);
    const { limits, source } = row;
    const load = { pkg, manifest, config: settings.plain, grants, limits, source, ownProcess: row.ownProcess, inspect };
    return { instance: await this.load(load, settings, stored), digest: pkg.digest, grants };
  }

  load(load: LoadRequest, settings: Settings, stored: Settings): Promise<Instance> {
    this.redact(load.manifest.name, stored, settings);
    return loadPlugin(this.#deps.loader, load);
  }

  async stored(plugin: Plugin): Promise<Settings> {
    return { plain: plugin.row.config, secrets: await this.#deps.vault.getAll(plugin.name) };
  }

  /** Old secrets too: an instance that drains, or goes on because the new one failed, still knows them. */
  redact(plugin: string, stored: Settings, settings: Settings): void {
    this.#deps.redactor.set(plugin, [...Object.values(stored.secrets), ...Object.values(settings.secrets)]);
  }
}
