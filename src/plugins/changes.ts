import { CodedError } from '../../sandbox-apis/_kit/errors.ts';
import { publish } from '../events/publish.ts';
import type { Manifest } from '../packages/manifest.ts';
import { packArchive } from '../packages/pack.ts';
import { beginArrival, endArrival, unfinishedArrivals } from './arrivals.ts';
import { carryOut } from './carry-out.ts';
import { dropAfterwards } from './drops.ts';
import type { LifecycleDeps } from './lifecycle-deps.ts';
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
  noteUpgrade,
  settingsFor,
  writeAudit,
} from './requests.ts';
import type { Stages } from './stages.ts';
import { deletePlugin, readPlugin, savePackage, savePlugin, saveVersion, updatePlugin } from './store.ts';
import type { Traffic } from './traffic.ts';

export interface ChangesDeps
  extends Pick<
    LifecycleDeps,
    | 'db'
    | 'log'
    | 'replica'
    | 'permissions'
    | 'vault'
    | 'redactor'
    | 'databases'
    | 'points'
    | 'hasData'
    | 'dropData'
    | 'forget'
  > {
  readonly packages: PluginPackages;
  readonly loads: Loads;
  readonly stages: Stages;
  readonly traffic: Traffic;
  /** Lists a plugin under its manifest. */
  readonly place: (plugin: Plugin, manifest: Manifest) => void;
  /** Swaps an instance in for one that hibernates. */
  readonly wake: (plugin: Plugin) => Promise<void>;
}

/**
 * What admins ask for. Each change prepares the database and loads the new instance first, then writes everything in one
 * transaction, then moves the traffic: until that transaction nothing has changed for anybody. Whoever calls has taken the
 * plugin's turn.
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
    if (known !== null) {
      checkReplacement(known, request, manifest);
      return this.#install(request, manifest, known, actor);
    }
    const { name } = manifest;
    await this.dropUnfinished(name);
    const kept = await this.#deps.hasData(name);
    const { db, replica } = this.#deps;
    await beginArrival(db, { name, keepsData: kept }, replica.id);
    // Another core has installed it meanwhile: what fails from here on must not drop that.
    if ((await readPlugin(db, name)) !== null) {
      await db.transaction().execute((trx) => endArrival(trx, name));
      throw new CodedError('conflict', `Another core has installed ${name} meanwhile`);
    }
    try {
      return await this.#install(request, manifest, null, actor, claim);
    } catch (error) {
      await this.#dropAll(name, kept);
      throw error;
    }
  }

  /** Drops what first installs left that a crash has cut short; of one plugin when it is named. */
  async dropUnfinished(plugin?: string): Promise<void> {
    const { db, log, replica } = this.#deps;
    for (const { name, keepsData } of await unfinishedArrivals(db, plugin, replica.id)) {
      await this.#dropAll(name, keepsData);
      log.info({ plugin: name }, 'dropped what an install left that was cut short');
    }
  }

  async #install(
    request: InstallRequest,
    manifest: Manifest,
    known: Plugin | null,
    actor: Actor,
    claim?: Plugin,
  ): Promise<Plugin> {
    const { loads, permissions, place, stages, traffic, vault } = this.#deps;
    const { pkg, source } = request;
    const stored = known === null ? NOTHING : await loads.stored(known);
    const enabled = known === null ? request.enable : known.row.enabled || request.enable;
    // What comes with the core is asked about when it is enabled.
    const asks = enabled || source !== 'builtin';
    const grants = asks ? permissions.resolve(manifest, request.grants, known?.row.grants ?? []) : [];
    const settings = settingsFor(manifest, request.config, stored, enabled);
    const limits = known?.row.limits ?? {};
    const ownProcess = known?.row.ownProcess ?? false;
    const before = known?.row.version ?? null;
    const { secrets } = settings;
    const load = { pkg, manifest, config: settings.plain, grants, limits, source, ownProcess };

    const stage = await stages.open({ pkg, manifest, grants, row: known?.row ?? null, isLoaded: enabled });
    const { written: row, instance } = await carryOut(this.#deps, stage, {
      load: async () => (enabled ? loads.load({ ...load, ...stage.binding(secrets) }, settings, stored) : null),
      write: async (trx) => {
        if (source === 'upload') await savePackage(trx, pkg.digest, await packArchive(pkg));
        const saved = await savePlugin(
          trx,
          {
            ...newRow(request, manifest),
            enabled,
            config: settings.plain,
            grants,
            limits,
            ownProcess,
            installedBy: actor.userId,
          },
          known?.row.revision ?? null,
        );
        await vault.put(manifest.name, secrets, trx);
        if (known !== null)
          await noteUpgrade(trx, actor, { manifest, digest: pkg.digest, grants, from: known.row.version });
        else {
          const { name, version } = manifest;
          await saveVersion(trx, manifest, pkg.digest);
          if (!(await endArrival(trx, name))) {
            throw new CodedError('conflict', `Another core has given up the install of ${name}: install it again`);
          }
          await publish(trx, { name: 'plugin.installed', data: { plugin: name, version } });
          await writeAudit(trx, actor, 'plugin.installed', name, { version, grants });
        }
        return saved;
      },
    });
    const plugin = known ?? claim ?? new Plugin(row, manifest, request.folder);
    plugin.row = row;
    plugin.folder = request.folder;
    place(plugin, manifest);
    loads.redact(plugin.name, stored, settings);
    if (instance === null) plugin.state = { kind: 'installed' };
    else {
      await traffic.takeOver(plugin, instance);
      if (before !== null && before !== manifest.version) await traffic.courtesy(instance, 'onUpgrade', [before]);
    }
    return plugin;
  }

  /** Changes any of: enabled, config, grants, limits, whether it has its own process. All of it or nothing. */
  async change(plugin: Plugin, change: ChangeRequest, actor: Actor): Promise<void> {
    const { loads, log, packages, permissions, place, stages, traffic, vault, wake } = this.#deps;
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
    const { secrets } = settings;
    const load = { pkg, manifest, config: settings.plain, grants, limits, source: row.source, ownProcess };

    const stage = fresh ? await stages.open({ pkg, manifest, grants, row, isLoaded: true }) : stages.nothing(row.name);
    const { written, instance } = await carryOut(this.#deps, stage, {
      load: async () => (fresh ? loads.load({ ...load, ...stage.binding(secrets) }, settings, stored) : null),
      write: async (trx) => {
        const saved = await updatePlugin(
          trx,
          row.name,
          {
            enabled,
            grants,
            limits,
            ownProcess,
            config: settings.plain,
            ...(fresh ? { version: manifest.version, packageDigest: pkg.digest, quarantineReason: null } : {}),
          },
          row.revision,
        );
        await vault.put(row.name, secrets, trx);
        if (fresh && manifest.version !== row.version) {
          await noteUpgrade(trx, actor, { manifest, digest: pkg.digest, grants, from: row.version });
        }
        if (enabled !== row.enabled) {
          const event = enabled ? 'plugin.enabled' : 'plugin.disabled';
          await publish(trx, { name: event, data: { plugin: row.name, version: manifest.version } });
        }
        await writeAudit(trx, actor, 'plugin.changed', row.name, { fields: Object.keys(change), grants, enabled });
        return saved;
      },
    });
    plugin.row = written;
    place(plugin, manifest);
    loads.redact(row.name, stored, settings);
    if (instance !== null) {
      plugin.strikes = [];
      await traffic.takeOver(plugin, instance);
      if (manifest.version !== row.version) await traffic.courtesy(instance, 'onUpgrade', [row.version]);
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
    const { databases, db, dropData, forget, log, points, redactor, vault } = this.#deps;
    const drops: (() => Promise<void>)[] = [];
    await db.transaction().execute(async (trx) => {
      await deletePlugin(trx, name);
      await endArrival(trx, name);
      if (keepData) return;
      await vault.dropPlugin(name, trx);
      await dropData(name, trx);
      drops.push(await points.dropPlugin(name, trx), await databases.dropPlugin(name, trx));
    });
    await dropAfterwards(log, name, drops);
    redactor.drop(name);
    forget(name);
  }
}
