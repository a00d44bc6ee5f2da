import { CodedError } from '../../sandbox-apis/_kit/errors.ts';
import type { Trx } from '../db/client.ts';
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

/** A load of what is installed. */
export interface CurrentLoad {
  readonly request: LoadRequest;
  /** @param more what else it is to have: a staged database, an inspector */
  readonly load: (more?: Pick<LoadRequest, 'database' | 'inspect' | 'staged'>) => Promise<Instance>;
  /** The settings, when the manifest calls sensitive by now what is stored in the clear; else null. */
  readonly toSeal: Settings | null;
}

/** Makes instances of installed plugins; nothing is routed to them yet. */
export class Loads {
  readonly #deps: LoadsDeps;
  readonly #packages: PluginPackages;

  constructor(deps: LoadsDeps, packages: PluginPackages) {
    this.#deps = deps;
    this.#packages = packages;
  }

  /** What a load of the package as it is now takes: stored settings and grants. A folder's own wishes are granted. */
  async current(plugin: Plugin): Promise<CurrentLoad> {
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
    const { limits, source, ownProcess } = row;
    const request = { pkg, manifest, config: settings.plain, grants, limits, source, ownProcess };
    const isNew = Object.keys(settings.secrets).some((name) => !Object.hasOwn(stored.secrets, name));
    return {
      request,
      load: (more = {}) => this.load({ ...request, ...more }, settings, stored),
      toSeal: isNew ? settings : null,
    };
  }

  /** Seals the secrets in the transaction that stores the rest of the settings. */
  async seal(plugin: string, { secrets }: Settings, trx: Trx): Promise<void> {
    await this.#deps.vault.put(plugin, secrets, trx);
  }

  load(load: LoadRequest, settings: Settings, stored: Settings): Promise<Instance> {
    this.redact(load.manifest.name, stored, settings);
    return loadPlugin(this.#deps.loader, load);
  }

  /**
   * Its change is about to be committed: what it asks of its keys waits for that.
   *
   * @returns to be called after it: what the instance was loaded with is its plugin's then
   */
  commit(instance: Instance): () => void {
    const { promise, resolve } = Promise.withResolvers<void>();
    const resident = this.#deps.loader.residents.get(instance.guest.id);
    if (resident?.staged != null) resident.staged.committing = promise;
    return () => {
      if (resident !== undefined) resident.staged = null;
      resolve();
    };
  }

  async stored(plugin: Plugin): Promise<Settings> {
    return { plain: plugin.row.config, secrets: await this.#deps.vault.getAll(plugin.name) };
  }

  /** Old secrets too: an instance that drains, or goes on because the new one failed, still knows them. */
  redact(plugin: string, stored: Settings, settings: Settings): void {
    this.#deps.redactor.set(plugin, [...Object.values(stored.secrets), ...Object.values(settings.secrets)]);
  }
}
