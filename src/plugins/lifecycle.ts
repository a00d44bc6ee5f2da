import { CodedError } from '../../sandbox-apis/_kit/errors.ts';
import { transact } from '../db/transact.ts';
import { publish } from '../events/publish.ts';
import type { Guest, Loss, UnderWay } from '../host/guest.ts';
import type { Manifest } from '../packages/manifest.ts';
import type { PackageFiles } from '../packages/read.ts';
import { inSpan } from '../telemetry/scope.ts';
import { Changes } from './changes.ts';
import { type Dormant, isUnchanged, storeDormant, takeDormant } from './dormant.ts';
import { dropAfterwards } from './drops.ts';
import { Following } from './following.ts';
import { Hibernation } from './hibernation.ts';
import type { Instance } from './instance.ts';
import type { LifecycleDeps } from './lifecycle-deps.ts';
import { toFailure } from './loader.ts';
import { Loads } from './loads.ts';
import { Plugin } from './plugin.ts';
import { PluginList } from './plugin-list.ts';
import { PluginPackages } from './plugin-packages.ts';
import { Recovery } from './recovery.ts';
import { RegistrationSet } from './registrations.ts';
import { type Actor, type ChangeRequest, type InstallRequest, newRow, writeAudit } from './requests.ts';
import { Rollbacks } from './rollbacks.ts';
import { Stages } from './stages.ts';
import type { PluginState } from './state.ts';
import { deletePlugin, dropUnusedPackages, listPlugins, renewPlugin } from './store.ts';
import { type SwapDeps, swap } from './swap.ts';
import { Traffic } from './traffic.ts';

/**
 * Installs, enables, reloads, configures and removes plugins. Each change loads the new instance first, then writes the
 * database, then moves the traffic: until the last step nothing has changed for anybody.
 */
export class Lifecycle extends PluginList {
  readonly rollbacks: Rollbacks;
  /** Makes plugins as other cores have changed them. */
  readonly following: Following;
  readonly #deps: LifecycleDeps;
  readonly #traffic: Traffic;
  readonly #packages: PluginPackages;
  readonly #loads: Loads;
  readonly #swapping: SwapDeps;
  readonly #changes: Changes;
  readonly #recovery: Recovery;
  readonly #hibernation: Hibernation;
  #stopping = false;

  constructor(deps: LifecycleDeps) {
    super();
    this.#deps = deps;
    this.#packages = new PluginPackages(deps.db, deps.permissions.patterns);
    this.#loads = new Loads(deps, this.#packages);
    this.#traffic = new Traffic(deps, this.#loads, (plugin) => this.#bringUp(plugin));
    const stages = new Stages(deps);
    this.#swapping = {
      db: deps.db,
      loads: this.#loads,
      stages,
      traffic: this.#traffic,
      place: (plugin, instance) => this.describe(plugin, instance.parts.manifest),
    };
    this.following = new Following({
      ...deps,
      packages: this.#packages,
      swapping: this.#swapping,
      get: (name) => this.get(name),
      all: () => this.all(),
      put: (plugin) => this.put(plugin),
      describe: (plugin, manifest) => this.describe(plugin, manifest),
      drop: (plugin) => this.#forget(plugin),
    });
    const changing = {
      ...deps,
      packages: this.#packages,
      loads: this.#loads,
      stages,
      traffic: this.#traffic,
      place: (plugin: Plugin, manifest: Manifest) => {
        this.put(plugin);
        this.describe(plugin, manifest);
      },
      wake: (plugin: Plugin) => this.#swap(plugin),
    };
    this.#changes = new Changes(changing);
    this.rollbacks = new Rollbacks({
      ...changing,
      all: () => this.all(),
      upToDate: (plugin) => this.following.upToDate(plugin),
    });
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
    await this.#changes.dropUnfinished();
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
    await this.#deps.schedules.replace(plugin.name, kept.jobs, plugin.row.packageDigest);
    this.describe(plugin, manifest);
    plugin.loaded = plugin.row.generation;
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
    if (this.get(manifest.name) === undefined) await this.following.lookFor(manifest.name);
    this.demandFree(manifest);
    const known = this.get(manifest.name);
    const facts = { 'streamspace.plugin': manifest.name, 'streamspace.plugin.version': manifest.version };
    if (known !== undefined) {
      return this.#turn(known, () =>
        inSpan('plugin upgrade', facts, () => this.#changes.install(request, manifest, known, actor)),
      );
    }
    // A stand-in takes the name, so that two installs of it do not cross.
    const claim = new Plugin(newRow(request, manifest), manifest, request.folder);
    claim.state = { kind: 'loading' };
    this.put(claim);
    return claim
      .inTurn(() => inSpan('plugin install', facts, () => this.#changes.install(request, manifest, null, actor, claim)))
      .catch((error: unknown) => {
        this.drop(manifest.name);
        claim.state = { kind: 'installed' };
        throw error;
      });
  }

  /** Makes `grants` (if given) the plugin's grants and brings it up. Same errors as `install`. */
  enable(plugin: Plugin, grants: 'all' | readonly string[] | null, actor: Actor): Promise<void> {
    return this.#turn(plugin, () =>
      this.#changes.change(plugin, { enabled: true, ...(grants === null ? {} : { grants }) }, actor),
    );
  }

  disable(plugin: Plugin, actor: Actor): Promise<void> {
    return this.#turn(plugin, () => this.#changes.change(plugin, { enabled: false }, actor));
  }

  /** Changes any of: enabled, config, grants, limits, whether it has its own process. All of it or nothing. */
  change(plugin: Plugin, change: ChangeRequest, actor: Actor): Promise<void> {
    return this.#turn(plugin, () => this.#changes.change(plugin, change, actor));
  }

  /**
   * Reads the plugin again and swaps it in. When it does not load, the old one goes on serving.
   *
   * @param everywhere whether the other cores do it too, once it has loaded here
   * @throws CodedError why it did not load
   */
  reload(plugin: Plugin, everywhere = false): Promise<void> {
    return this.#turn(plugin, async () => {
      if (!plugin.row.enabled) throw new CodedError('plugin_disabled', `The plugin ${plugin.name} is not enabled`);
      await this.#swap(plugin);
      if (!everywhere || !this.#deps.replica.isShared) return;
      plugin.row = await renewPlugin(this.#deps.db, plugin.name);
      plugin.loaded = plugin.row.generation;
    });
  }

  /** A change of a plugin that another core may have changed since this one last looked. */
  #turn<T>(plugin: Plugin, change: () => Promise<T>): Promise<T> {
    return plugin.inTurn(async () => {
      await this.following.upToDate(plugin);
      return change();
    });
  }

  #forget({ name }: Plugin): void {
    this.drop(name);
    this.#deps.redactor.drop(name);
    this.#deps.forget(name);
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

  #swap(plugin: Plugin, inspect = false): Promise<void> {
    return swap(this.#swapping, plugin, inspect);
  }

  /**
   * Removes a plugin at once: routes, subscriptions, jobs; and its data unless it is to be kept, with its restore points
   * and their packages: a later install of the name finds them.
   */
  uninstall(plugin: Plugin, data: 'keep' | 'drop', actor: Actor): Promise<void> {
    return this.#turn(plugin, async () => {
      const { databases, db, dropData, log, points, vault } = this.#deps;
      const drops: (() => Promise<void>)[] = [];
      const before = plugin.state;
      const kept = plugin.registrations === null ? {} : { kept: RegistrationSet.of(plugin.registrations.list()) };
      await this.#traffic.takeDown(plugin).catch((error: unknown) => this.#stayInstalled(plugin, before, kept, error));
      await transact(db, async (trx) => {
        await publish(trx, { name: 'plugin.uninstalled', data: { plugin: plugin.name, version: plugin.row.version } });
        await writeAudit(trx, actor, 'plugin.uninstalled', plugin.name, { data });
        await deletePlugin(trx, plugin.name);
        if (data === 'drop') {
          await vault.dropPlugin(plugin.name, trx);
          await dropData(plugin.name, trx);
          drops.push(await points.dropPlugin(plugin.name, trx), await databases.dropPlugin(plugin.name, trx));
        }
        await dropUnusedPackages(trx);
      }).catch((error: unknown) => this.#stayInstalled(plugin, before, kept, error));
      await dropAfterwards(log, plugin.name, drops);
      this.#forget(plugin);
    });
  }

  /**
   * An uninstall failed: what ran before it comes up again, with what it had registered.
   *
   * @throws why it failed
   */
  #stayInstalled(plugin: Plugin, before: PluginState, kept: { kept?: RegistrationSet }, failure: unknown): never {
    const wasThere = before.kind === 'active' || before.kind === 'hibernated' || before.kind === 'loading';
    plugin.state = wasThere ? { kind: 'loading', ...kept } : before;
    if (wasThere) {
      this.#bringUp(plugin).catch((error: unknown) =>
        this.#deps.log.error({ err: error, plugin: plugin.name }, 'a plugin was not brought up again'),
      );
    }
    throw failure;
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

  /** The database was away, and is back: what did not load meanwhile is tried once more. */
  async onDatabaseBack(): Promise<void> {
    await this.#forEach(async (plugin) => {
      await plugin.inTurn(async () => {
        const { state } = plugin;
        if (state.kind === 'failed') plugin.state = { kind: 'loading', ...(state.retry && { kept: state.retry.kept }) };
      });
      await this.#bringUp(plugin);
    });
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
    this.following.stop();
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

  /** What it is loaded from. @throws CodedError `plugin_load_failed` when it is gone, or of reading it */
  packageOf(plugin: Plugin): Promise<PackageFiles> {
    return this.#packages.of(plugin);
  }

  /** @throws CodedError `manifest_invalid` */
  manifestOf(pkg: PackageFiles): Manifest {
    return this.#packages.manifestOf(pkg);
  }
}
