import { CodedError } from '../../sandbox-apis/_kit/errors.ts';
import type { Db, Trx } from '../db/client.ts';
import type { Dispatcher } from '../events/deliver.ts';
import { publish } from '../events/publish.ts';
import type { Guest, Loss, UnderWay } from '../host/guest.ts';
import type { Log } from '../log.ts';
import type { Manifest } from '../packages/manifest.ts';
import { packArchive } from '../packages/pack.ts';
import type { PackageFiles } from '../packages/read.ts';
import type { PermissionCatalog } from '../permissions/grants.ts';
import type { PostMortems } from '../post-mortems/post-mortems.ts';
import type { Schedules } from '../schedules/schedules.ts';
import type { Redactor } from '../secrets/redact.ts';
import type { Vault } from '../secrets/vault.ts';
import { type Dormant, isUnchanged, storeDormant, takeDormant } from './dormant.ts';
import { HIBERNATION_LIMITS, Hibernation, type HibernationMetrics, type HibernationRules } from './hibernation.ts';
import type { Instance } from './instance.ts';
import { type LoaderDeps, toFailure } from './loader.ts';
import { Loads } from './loads.ts';
import { Plugin } from './plugin.ts';
import { PluginList } from './plugin-list.ts';
import { PluginPackages } from './plugin-packages.ts';
import { Recovery } from './recovery.ts';
import { RegistrationSet } from './registrations.ts';
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
import {
  deletePlugin,
  dropUnusedPackages,
  listPlugins,
  savePackage,
  savePlugin,
  saveVersion,
  updatePlugin,
} from './store.ts';
import { assertAlive, Traffic } from './traffic.ts';

export interface LifecycleDeps {
  readonly db: Db;
  readonly log: Log;
  readonly loader: LoaderDeps;
  readonly vault: Vault;
  readonly redactor: Redactor;
  readonly schedules: Schedules;
  readonly permissions: PermissionCatalog;
  readonly dispatcher: () => Dispatcher;
  readonly hibernation: {
    readonly rules: HibernationRules;
    readonly metrics: HibernationMetrics;
    /** Calls of a guest into the core that are under way. */
    readonly callsOf: (guest: Guest) => number;
  };
  /** Removes what the plugin kept: storage, and whatever other rooms hold for it. */
  readonly dropData: (plugin: string, trx: Trx) => Promise<void>;
  /** Whether there is any of it: an uninstall may have kept it. */
  readonly hasData: (plugin: string) => Promise<boolean>;
  readonly postMortems: Pick<PostMortems, 'record'>;
  /** Forgets what is in memory under the plugin's name: log, meters. */
  readonly forget: (plugin: string) => void;
}

/**
 * Installs, enables, reloads, configures and removes plugins. Each change loads the new instance first, then writes the
 * database, then moves the traffic: until the last step nothing has changed for anybody.
 */
export class Lifecycle extends PluginList {
  readonly #deps: LifecycleDeps;
  readonly #traffic: Traffic;
  readonly #packages: PluginPackages;
  readonly #loads: Loads;
  readonly #recovery: Recovery;
  readonly #hibernation: Hibernation;
  #stopping = false;

  constructor(deps: LifecycleDeps) {
    super();
    this.#deps = deps;
    this.#packages = new PluginPackages(deps.db, deps.permissions.patterns);
    this.#loads = new Loads(deps, this.#packages);
    this.#traffic = new Traffic(deps, this.#loads);
    this.#recovery = new Recovery({
      db: deps.db,
      loader: deps.loader,
      get: (name) => this.get(name),
      bringUp: (plugin) => this.#bringUp(plugin),
      drain: (instance) => this.#traffic.drain(instance, 'onUnload'),
      postMortems: deps.postMortems,
    });
    this.#hibernation = new Hibernation({
      ...deps.hibernation,
      log: deps.log,
      plugins: () => this.all(),
      hibernate: (plugin, instance, mayRest) => this.#hibernate(plugin, instance, mayRest),
    });
  }

  /** Reads what is installed; what hibernated when the core stopped still does, `loadEnabled` brings up the rest. */
  async open(folders: ReadonlyMap<string, string>): Promise<void> {
    const dormant = await takeDormant(this.#deps.db);
    for (const row of await listPlugins(this.#deps.db)) {
      const plugin = new Plugin(row, null, folders.get(row.name) ?? null);
      plugin.state = row.enabled
        ? row.quarantineReason === null
          ? { kind: 'loading' }
          : { kind: 'quarantined', reason: row.quarantineReason }
        : { kind: 'installed' };
      this.put(plugin);
    }
    await this.#forEach(async (plugin) => {
      this.#deps.redactor.set(plugin.name, Object.values(await this.#deps.vault.getAll(plugin.name)));
      const kept = dormant.get(plugin.name);
      if (kept === undefined || plugin.state.kind !== 'loading') return;
      if (await isUnchanged(plugin, kept, this.#packages, this.#deps.log)) await this.#sleepOn(plugin, kept);
    });
    this.#hibernation.start();
  }

  async #sleepOn(plugin: Plugin, { manifest, registrations }: Dormant): Promise<void> {
    const kept = RegistrationSet.of(registrations);
    await this.#deps.schedules.replace(plugin.name, kept.jobs);
    this.describe(plugin, manifest);
    plugin.state = { kind: 'hibernated', kept };
  }

  protected override put(plugin: Plugin): void {
    plugin.onWake = () => {
      this.#deps.hibernation.metrics.woke(plugin.name);
      this.#hibernation
        .wake(() => this.#bringUp(plugin))
        .catch((error: unknown) =>
          this.#deps.log.error({ err: error, plugin: plugin.name }, 'a wake was not recorded'),
        );
    };
    super.put(plugin);
  }

  /** Resolves when another isolate fits into memory, or when none is to be let go for it. */
  room(): Promise<void> {
    return this.#hibernation.room();
  }

  /** Loads each enabled plugin, a few at a time; one that fails is in state `failed` and stops nobody else. */
  async loadEnabled(): Promise<void> {
    await this.#forEach(async (plugin) => {
      if (plugin.state.kind !== 'loading' || plugin.pausedUntil > performance.now()) return;
      await this.room();
      await this.#bringUp(plugin);
    });
  }

  /** Does something with every plugin, with a few at a time. */
  async #forEach(work: (plugin: Plugin) => Promise<void>): Promise<void> {
    const queue = this.list();
    const worker = async (): Promise<void> => {
      for (let plugin = queue.shift(); plugin !== undefined; plugin = queue.shift()) await work(plugin);
    };
    await Promise.all(Array.from({ length: 4 }, worker));
  }

  /**
   * Installs a package, or puts it in the place of the version that is there.
   *
   * @throws CodedError of the package, the manifest, `consent_required`, `validation_failed`, `conflict`,
   *   `plugin_load_failed`; nothing has changed then
   */
  async install(request: InstallRequest, actor: Actor): Promise<Plugin> {
    const manifest = this.manifestOf(request.pkg);
    this.demandFree(manifest);
    const known = this.get(manifest.name);
    if (known !== undefined) return known.inTurn(() => this.#install(request, manifest, known, actor));
    // A stand-in takes the name, so that two installs of it do not cross.
    const claim = new Plugin(newRow(request, manifest), manifest, request.folder);
    claim.state = { kind: 'loading' };
    this.put(claim);
    return claim
      .inTurn(() => this.#install(request, manifest, null, actor, claim))
      .catch((error: unknown) => {
        this.drop(manifest.name);
        claim.state = { kind: 'installed' };
        throw error;
      });
  }

  async #install(request: InstallRequest, manifest: Manifest, known: Plugin | null, actor: Actor, claim?: Plugin) {
    const { db, permissions, vault } = this.#deps;
    if (known !== null) checkReplacement(known, request, manifest);
    const stored = known === null ? NOTHING : await this.#loads.stored(known);
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
      if (enabled) instance = await this.#loads.load(load, settings, stored);
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
      this.put(plugin);
      this.describe(plugin, manifest);
      if (instance === null) plugin.state = { kind: 'installed' };
      else await this.#traffic.activate(plugin, instance);
      if (instance !== null && before !== undefined && before !== manifest.version) {
        await this.#traffic.courtesy(instance, 'onUpgrade', [before]);
      }
      return plugin;
    } catch (error) {
      instance?.guest.dispose();
      if (known === null) await this.#dropAll(manifest.name, kept);
      else await vault.put(manifest.name, stored.secrets);
      throw error;
    }
  }

  /** Makes `grants` (if given) the plugin's grants and brings it up. Same errors as `install`. */
  enable(plugin: Plugin, grants: 'all' | readonly string[] | null, actor: Actor): Promise<void> {
    return plugin.inTurn(() => this.#change(plugin, { enabled: true, ...(grants === null ? {} : { grants }) }, actor));
  }

  disable(plugin: Plugin, actor: Actor): Promise<void> {
    return plugin.inTurn(() => this.#change(plugin, { enabled: false }, actor));
  }

  /** Changes any of: enabled, config, grants, limits, whether it has its own process. All of it or nothing. */
  change(plugin: Plugin, change: ChangeRequest, actor: Actor): Promise<void> {
    return plugin.inTurn(() => this.#change(plugin, change, actor));
  }

  async #change(plugin: Plugin, change: ChangeRequest, actor: Actor): Promise<void> {
    const { db, permissions, vault } = this.#deps;
    const { row } = plugin;
    const enabled = change.enabled ?? row.enabled;
    const pkg = await this.#packages.of(plugin);
    const manifest = this.manifestOf(pkg);
    const stored = await this.#loads.stored(plugin);
    const grants =
      change.grants === undefined && !enabled
        ? row.grants
        : permissions.resolve(manifest, change.grants ?? null, row.grants);
    const settings = settingsFor(manifest, change.config ?? null, stored, enabled);
    const limits = change.limits ?? row.limits;
    const ownProcess = change.ownProcess ?? row.ownProcess;
    // It is to hear of its new configuration as one that was never away.
    const isForOneAsleep = plugin.isAsleep && Object.keys(change).join() === 'config';
    if (isForOneAsleep) await this.#swap(plugin).catch(() => undefined);
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
        instance = await this.#loads.load(
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
    this.describe(plugin, manifest);
    this.#loads.redact(row.name, stored, settings);
    if (instance !== null) {
      plugin.strikes = [];
      await this.#traffic.activate(plugin, instance);
      if (!row.enabled) await this.#traffic.courtesy(instance, 'onEnable', []);
    } else if (!enabled) {
      await this.#traffic.takeDown(plugin);
    } else if (live !== null && change.config !== undefined) {
      await live
        .configure(settings.plain)
        .catch((error: unknown) => this.#deps.log.warn({ err: error, plugin: plugin.name }, 'onConfigChange failed'));
    }
  }

  /**
   * Reads the plugin again and swaps it in. When it does not load, the old one goes on serving.
   *
   * @throws CodedError why it did not load
   */
  reload(plugin: Plugin): Promise<void> {
    return plugin.inTurn(async () => {
      if (!plugin.row.enabled) throw new CodedError('plugin_disabled', `The plugin ${plugin.name} is not enabled`);
      await this.#swap(plugin);
    });
  }

  /**
   * Swaps in an instance that can be inspected; `endInspection` takes it away again.
   *
   * @throws CodedError why there is none: as `ready`, or why it did not load
   */
  async inspect(plugin: Plugin): Promise<Instance> {
    await plugin.ready();
    return plugin.inTurn(async () => {
      if (!plugin.row.enabled) throw new CodedError('plugin_disabled', `The plugin ${plugin.name} is not enabled`);
      await this.#swap(plugin, true);
      const { instance } = plugin;
      if (instance === null) throw new CodedError('plugin_unavailable', undefined, { retryAfter: 1 });
      return instance;
    });
  }

  /** Swaps in an ordinary instance for the inspected one, unless another has taken over already. */
  endInspection(plugin: Plugin, inspected: Instance): Promise<void> {
    return plugin.inTurn(async () => {
      if (!this.#stopping && plugin.instance === inspected) await this.#swap(plugin);
    });
  }

  async #swap(plugin: Plugin, inspect = false): Promise<void> {
    try {
      const { instance, digest, grants } = await this.#loads.current(plugin, inspect);
      const { version } = instance.parts.manifest;
      if (version !== plugin.row.version || digest !== plugin.row.packageDigest) {
        plugin.row = await updatePlugin(this.#deps.db, plugin.name, { version, packageDigest: digest, grants });
      }
      this.describe(plugin, instance.parts.manifest);
      await this.#traffic.activate(plugin, instance);
    } catch (error) {
      const failure = toFailure(error);
      const live = plugin.instance;
      const kept = plugin.registrations;
      if (live !== null) plugin.state = { kind: 'active', instance: live, reloadFailure: failure };
      else if (error instanceof CodedError && error.code === 'plugin_unavailable') {
        plugin.state = { kind: 'loading', ...(kept === null ? {} : { kept }) };
      } else {
        // What worked until it hibernated may be held up by no more than a network that is down.
        const retry = kept === null ? {} : { retry: { at: performance.now() + HIBERNATION_LIMITS.retryMs, kept } };
        plugin.state = { kind: 'failed', failure, ...retry };
      }
      throw error;
    }
  }

  /**
   * Removes a plugin at once: routes, subscriptions, jobs; and its data unless it is to be kept.
   */
  uninstall(plugin: Plugin, data: 'keep' | 'drop', actor: Actor): Promise<void> {
    return plugin.inTurn(async () => {
      await this.#traffic.takeDown(plugin);
      await this.#deps.db.transaction().execute(async (trx) => {
        await publish(trx, { name: 'plugin.uninstalled', data: { plugin: plugin.name, version: plugin.row.version } });
        await writeAudit(trx, actor, 'plugin.uninstalled', plugin.name, { data });
        await deletePlugin(trx, plugin.name);
        if (data === 'drop') {
          await this.#deps.vault.dropPlugin(plugin.name, trx);
          await this.#deps.dropData(plugin.name, trx);
        }
        await dropUnusedPackages(trx);
      });
      this.drop(plugin.name);
      this.#deps.redactor.drop(plugin.name);
      this.#deps.forget(plugin.name);
    });
  }

  /** Lets the isolate of an idle plugin go; the next invocation brings another up. */
  async #hibernate(plugin: Plugin, instance: Instance, mayRest: () => boolean): Promise<void> {
    await plugin.inTurn(async () => {
      if (this.#stopping || plugin.instance !== instance || !mayRest()) return;
      const gone = this.#traffic.rest(plugin, instance);
      this.#deps.hibernation.metrics.hibernated(plugin.name);
      void gone.then(() => {
        const meter = this.#deps.loader.meters.of(plugin.name);
        if (plugin.state.kind === 'hibernated') meter.resources(meter.view().cpuMs, 0);
      });
      this.#deps.log.debug({ plugin: plugin.name }, 'hibernated a plugin');
    });
  }

  /** An isolate was lost: its registrations go, and the recovery sees to the plugin. */
  onGone(guest: Guest, loss: Loss): void {
    if (!this.#stopping) this.#recovery.onGone(guest, loss);
    this.#deps.loader.registrations.close(guest.id);
    this.#deps.loader.residents.delete(guest.id);
  }

  /** A call went over its deadline. */
  onDeadline(guest: Guest, underWay: readonly UnderWay[]): void {
    if (!this.#stopping) this.#recovery.onDeadline(guest, underWay);
  }

  /** A host died and another stands in its place: what was there is loaded again. */
  async onRespawn(): Promise<void> {
    await this.loadEnabled();
  }

  /** Loads an enabled plugin that is not running; its failure is its state. */
  async #bringUp(plugin: Plugin): Promise<void> {
    await plugin.inTurn(async () => {
      if (plugin.state.kind !== 'loading' || this.#stopping) return;
      try {
        await this.#swap(plugin);
      } catch (error) {
        this.#deps.log.warn({ err: error, plugin: plugin.name }, 'a plugin did not load');
        if ((plugin.state as { kind: string }).kind !== 'failed') return;
        const { message } = toFailure(error);
        await publish(this.#deps.db, { name: 'plugin.failed', data: { plugin: plugin.name, message } });
      }
    });
  }

  /** Stops routing and lets every isolate end its hooks, within the time that a stop has. */
  async stop(): Promise<void> {
    this.#stopping = true;
    this.#hibernation.stop();
    const plugins = this.list();
    for (const plugin of plugins) plugin.onWake = null;
    await storeDormant(this.#deps.db, plugins).catch((error: unknown) =>
      this.#deps.log.warn({ err: error }, 'plugins that hibernate will be loaded at the next start'),
    );
    await Promise.all(
      plugins.map(async (plugin) => {
        const live = plugin.instance;
        if (live === null) return;
        live.guest.inspection?.end('the core stops');
        await this.#traffic.courtesy(live, 'onUnload', []);
        live.guest.dispose();
      }),
    );
  }

  /** @throws CodedError `manifest_invalid` */
  manifestOf(pkg: PackageFiles): Manifest {
    return this.#packages.manifestOf(pkg);
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
