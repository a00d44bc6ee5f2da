import { publish } from '../events/publish.ts';
import type { Manifest } from '../packages/manifest.ts';
import { packArchive } from '../packages/pack.ts';
import type { Instance } from './instance.ts';
import type { LifecycleDeps } from './lifecycle.ts';
import type { Loads } from './loads.ts';
import { Plugin } from './plugin.ts';
import type { PluginPackages } from './plugin-packages.ts';
import {
  type Actor,
  type ChangeRequest,
  checkReplacement,
  type InstallRequest,
  NOTHING,
  newRow,
  settingsFor,
  writeAudit,
} from './requests.ts';
import { deletePlugin, savePackage, savePlugin, saveVersion, updatePlugin } from './store.ts';
import { assertAlive, type Traffic } from './traffic.ts';

export interface ChangesDeps
  extends Pick<LifecycleDeps, 'db' | 'log' | 'permissions' | 'vault' | 'redactor' | 'hasData' | 'dropData' | 'forget'> {
  readonly packages: PluginPackages;
  readonly loads: Loads;
  readonly traffic: Traffic;
  /** Lists a plugin under its manifest. */
  readonly place: (plugin: Plugin, manifest: Manifest) => void;
  /** Swaps an instance in for one that hibernates. */
  readonly wake: (plugin: Plugin) => Promise<void>;
}

/**
 * What admins ask for. Each change loads the new instance first, then writes the database, then moves the traffic: until
 * the last step nothing has changed for anybody. Whoever calls has taken the plugin's turn.
 */
export class Changes {
  readonly #deps: ChangesDeps;

  constructor(deps: ChangesDeps) {
    this.#deps = deps;
  }

  /**
   * Installs a package, or puts it in the place of `known`.
   *
   * @param claim stands for a new one meanwhile
   */
  async install(
    request: InstallRequest,
    manifest: Manifest,
    known: Plugin | null,
    actor: Actor,
    claim?: Plugin,
  ): Promise<Plugin> {
    const { db, loads, permissions, place, traffic, vault } = this.#deps;
    if (known !== null) checkReplacement(known, request, manifest);
    const stored = known === null ? NOTHING : await loads.stored(known);
    const enabled = known === null ? request.enable : known.row.enabled || request.enable;
    // What comes with the core is asked about when it is enabled.
    const asks = enabled || request.source !== 'builtin';
    const grants = asks ? permissions.resolve(manifest, request.grants, known?.row.grants ?? []) : [];
    const settings = settingsFor(manifest, request.config, stored, enabled);
    const limits = known?.row.limits ?? {};
    const ownProcess = known?.row.ownProcess ?? false;
    const load = {
      pkg: request.pkg,
      manifest,
      config: settings.plain,
      grants,
      limits,
      source: request.source,
      ownProcess,
    };
    const kept = known === null && (await this.#deps.hasData(manifest.name));

    await vault.put(manifest.name, settings.secrets);
    let instance: Instance | null = null;
    try {
      if (enabled) instance = await loads.load(load, settings, stored);
      const archive = request.source === 'upload' ? await packArchive(request.pkg) : null;
      const row = await db.transaction().execute(async (trx) => {
        if (archive !== null) await savePackage(trx, request.pkg.digest, archive);
        const saved = await savePlugin(trx, {
          ...newRow(request, manifest),
          enabled,
          config: settings.plain,
          grants,
          limits,
          ownProcess,
          installedBy: actor.userId,
        });
        await saveVersion(trx, manifest, request.pkg.digest);
        const event = known === null ? 'plugin.installed' : 'plugin.upgraded';
        await publish(trx, { name: event, data: { plugin: manifest.name, version: manifest.version } });
        await writeAudit(trx, actor, event, manifest.name, { version: manifest.version, grants });
        assertAlive(instance);
        return saved;
      });
      const plugin = known ?? claim ?? new Plugin(row, manifest, request.folder);
      const before = known?.row.version;
      plugin.row = row;
      plugin.folder = request.folder;
      place(plugin, manifest);
      if (instance === null) plugin.state = { kind: 'installed' };
      else await traffic.activate(plugin, instance);
      if (instance !== null && before !== undefined && before !== manifest.version) {
        await traffic.courtesy(instance, 'onUpgrade', [before]);
      }
      return plugin;
    } catch (error) {
      instance?.guest.dispose();
      if (known === null) await this.#dropAll(manifest.name, kept);
      else await vault.put(manifest.name, stored.secrets);
      throw error;
    }
  }

  /** Changes any of: enabled, config, grants, limits, whether it has its own process. All of it or nothing. */
  async change(plugin: Plugin, change: ChangeRequest, actor: Actor): Promise<void> {
    const { db, loads, log, packages, permissions, place, traffic, vault, wake } = this.#deps;
    const { row } = plugin;
    const enabled = change.enabled ?? row.enabled;
    const pkg = await packages.of(plugin);
    const manifest = packages.manifestOf(pkg);
    const stored = await loads.stored(plugin);
    const grants =
      change.grants === undefined && !enabled
        ? row.grants
        : permissions.resolve(manifest, change.grants ?? null, row.grants);
    const settings = settingsFor(manifest, change.config ?? null, stored, enabled);
    const limits = change.limits ?? row.limits;
    const ownProcess = change.ownProcess ?? row.ownProcess;
    // It is to hear of its new configuration as one that was never away.
    const isForOneAsleep = plugin.isAsleep && Object.keys(change).join() === 'config';
    if (isForOneAsleep) await wake(plugin).catch(() => undefined);
    const live = plugin.instance;
    // A new isolate is needed unless all that changes is the configuration of a running plugin.
    const fresh =
      enabled &&
      (live === null ||
        change.grants !== undefined ||
        change.limits !== undefined ||
        ownProcess !== row.ownProcess ||
        change.enabled === true);

    await vault.put(row.name, settings.secrets);
    let instance: Instance | null = null;
    try {
      if (fresh)
        instance = await loads.load(
          { pkg, manifest, config: settings.plain, grants, limits, source: row.source, ownProcess },
          settings,
          stored,
        );
      plugin.row = await db.transaction().execute(async (trx) => {
        const saved = await updatePlugin(trx, row.name, {
          enabled,
          grants,
          limits,
          ownProcess,
          config: settings.plain,
          ...(fresh ? { version: manifest.version, packageDigest: pkg.digest, quarantineReason: null } : {}),
        });
        if (enabled !== row.enabled) {
          const event = enabled ? 'plugin.enabled' : 'plugin.disabled';
          await publish(trx, { name: event, data: { plugin: row.name, version: manifest.version } });
        }
        await writeAudit(trx, actor, 'plugin.changed', row.name, { fields: Object.keys(change), grants, enabled });
        assertAlive(instance);
        return saved;
      });
    } catch (error) {
      instance?.guest.dispose();
      await vault.put(row.name, stored.secrets);
      throw error;
    }
    place(plugin, manifest);
    loads.redact(row.name, stored, settings);
    if (instance !== null) {
      plugin.strikes = [];
      await traffic.activate(plugin, instance);
      if (!row.enabled) await traffic.courtesy(instance, 'onEnable', []);
    } else if (!enabled) {
      await traffic.takeDown(plugin);
    } else if (live !== null && change.config !== undefined) {
      await live
        .configure(settings.plain)
        .catch((error: unknown) => log.warn({ err: error, plugin: plugin.name }, 'onConfigChange failed'));
    }
  }

  /** Undoes what a plugin that never became one left behind; data that was kept from an earlier one stays. */
  async #dropAll(name: string, keepData: boolean): Promise<void> {
    await this.#deps.db.transaction().execute(async (trx) => {
      await deletePlugin(trx, name);
      await this.#deps.vault.dropPlugin(name, trx);
      if (!keepData) await this.#deps.dropData(name, trx);
    });
    this.#deps.redactor.drop(name);
    this.#deps.forget(name);
  }
}
