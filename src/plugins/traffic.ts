import { CodedError } from '../../sandbox-apis/_kit/errors.ts';
import type { Db } from '../db/client.ts';
import type { Dispatcher } from '../events/deliver.ts';
import { mergeSubscriptions, replaceSubscriptions, type Subscription } from '../events/subscriptions.ts';
import type { Log } from '../log.ts';
import type { Schedules } from '../schedules/schedules.ts';
import type { Instance } from './instance.ts';
import { LIFECYCLE_LIMITS } from './limits.ts';
import type { Loads } from './loads.ts';
import type { Plugin } from './plugin.ts';
import { RegistrationSet } from './registrations.ts';

export interface TrafficDeps {
  readonly db: Db;
  readonly log: Log;
  readonly schedules: Schedules;
  readonly dispatcher: () => Dispatcher;
}

/** Moves what the platform routes to plugins (requests, events, jobs) from one instance to the next, or away. */
export class Traffic {
  readonly #deps: TrafficDeps;
  readonly #loads: Pick<Loads, 'current'>;
  readonly #bringUp: (plugin: Plugin) => Promise<void>;

  /** @param bringUp loads a plugin in state `loading` when its turn is over; its failure becomes its state */
  constructor(deps: TrafficDeps, loads: Pick<Loads, 'current'>, bringUp: (plugin: Plugin) => Promise<void>) {
    this.#deps = deps;
    this.#loads = loads;
    this.#bringUp = bringUp;
  }

  /** Moves the traffic to an instance; the one before drains. */
  async activate(plugin: Plugin, instance: Instance): Promise<void> {
    const before = plugin.instance;
    const { registrations } = instance;
    // What an old version registers late must not take the place of what another core has brought.
    const { packageDigest } = instance.parts;
    const store = (): Promise<void> => this.#subscribe(plugin, registrations.subscriptions, packageDigest);
    await store();
    assertAlive(instance);
    const scheduled = this.#deps.schedules.replace(plugin.name, registrations.jobs, packageDigest);
    plugin.state = { kind: 'active', instance, reloadFailure: null };
    plugin.loaded = plugin.row.generation;
    registrations.onChange = (kind) => {
      const change =
        kind === 'subscription'
          ? store()
          : kind === 'job'
            ? this.#deps.schedules.replace(plugin.name, registrations.jobs, packageDigest)
            : null;
      change?.catch((error: unknown) =>
        this.#deps.log.error({ err: error, plugin: plugin.name }, 'a registration was not stored'),
      );
    };
    await scheduled;
    this.#deps.dispatcher().poke();
    if (before !== null) void this.drain(before, 'onUnload');
  }

  /**
   * `activate` for an instance whose version is committed. What keeps it from serving passes (its isolate was lost in the
   * moment, the database is away), and the one before must not go on: so it is brought up anew.
   */
  async takeOver(plugin: Plugin, instance: Instance): Promise<void> {
    const before = plugin.instance;
    try {
      await this.activate(plugin, instance);
    } catch (error) {
      const { log } = this.#deps;
      log.warn(
        { err: error, plugin: plugin.name },
        'a new instance could not take over; the plugin is brought up anew',
      );
      plugin.state = { kind: 'loading', kept: RegistrationSet.of(instance.registrations.list()) };
      instance.guest.dispose();
      if (before !== null) void this.drain(before, 'onUnload');
      this.#bringUp(plugin).catch((failure: unknown) =>
        log.error({ err: failure, plugin: plugin.name }, 'a plugin was not brought up'),
      );
    }
  }

  /** Makes these the plugin's subscriptions; most loads change nothing. */
  async #subscribe(
    plugin: Plugin,
    registered: Parameters<typeof mergeSubscriptions>[0],
    digest: string | null = null,
  ): Promise<void> {
    const subscriptions: Subscription[] = mergeSubscriptions(registered);
    if (Bun.deepEquals(plugin.subscribed, subscriptions)) return;
    plugin.subscribed = null;
    await replaceSubscriptions(this.#deps.db, plugin.name, subscriptions, digest);
    plugin.subscribed = subscriptions;
  }

  /** Takes everything away that the plugin registered, then lets its isolate go. */
  async takeDown(plugin: Plugin): Promise<void> {
    const { instance: live, isAsleep } = plugin;
    plugin.state = { kind: 'installed' };
    if (live !== null) {
      live.registrations.onChange = null;
      live.guest.inspection?.end('the plugin is disabled');
      // At once, and not after the hooks: event streams are routes that go on.
      live.guest.streams.cutAll(new CodedError('plugin_disabled'));
    }
    try {
      await this.#subscribe(plugin, []);
      await this.#deps.schedules.clear(plugin.name);
    } catch (error) {
      live?.guest.dispose();
      throw error;
    }
    const last = live ?? (isAsleep ? await this.#loadOnceMore(plugin) : null);
    if (last === null) return;
    await this.courtesy(last, 'onDisable', []);
    await this.courtesy(last, 'onUnload', []);
    last.guest.dispose();
  }

  /** As `takeDown`, when another core has done that: what the tables say stays, and `onDisable` has run there. */
  async leave(plugin: Plugin): Promise<void> {
    const live = plugin.instance;
    plugin.state = { kind: 'installed' };
    plugin.subscribed = null;
    plugin.loaded = 0;
    if (live !== null) {
      live.guest.streams.cutAll(new CodedError('plugin_disabled'));
      void this.drain(live, 'onUnload');
    }
    await this.#deps.schedules.clear(plugin.name);
  }

  /** Of a plugin that hibernates: `onDisable` may have something to tidy up outside. */
  async #loadOnceMore(plugin: Plugin): Promise<Instance | null> {
    try {
      return await (await this.#loads.current(plugin)).load();
    } catch (error) {
      this.#deps.log.warn({ err: error, plugin: plugin.name }, 'a plugin that hibernated could not run its onDisable');
      return null;
    }
  }

  /** Keeps what the plugin registered, events and jobs included, and lets its isolate go; resolves when it has gone. */
  rest(plugin: Plugin, live: Instance): Promise<void> {
    // A copy: its last hook may still take away what is to stay.
    plugin.state = { kind: 'hibernated', kept: RegistrationSet.of(live.registrations.list()) };
    return this.drain(live, 'onUnload');
  }

  /** Lets an old instance finish what it has begun. */
  async drain(instance: Instance, hook: string): Promise<void> {
    instance.registrations.onChange = null;
    // What is paused goes on, or it would not come to its end.
    instance.guest.inspection?.end('another instance has taken over');
    const timeout = Promise.withResolvers<void>();
    const timer = setTimeout(timeout.resolve, Math.max(LIFECYCLE_LIMITS.drainMs, instance.limits.wallMsPerCall));
    await Promise.race([instance.guest.idle(), timeout.promise]);
    await this.courtesy(instance, hook, []);
    // Who held the instance in the moment in which it was replaced may have called it only then.
    await Promise.race([instance.guest.idle(), timeout.promise]);
    clearTimeout(timer);
    instance.guest.dispose();
  }

  /** Runs a hook whose failure changes nothing. */
  async courtesy(instance: Instance, name: string, args: readonly unknown[]): Promise<void> {
    if (instance.guest.gone) return;
    try {
      await instance.hook(name, args, LIFECYCLE_LIMITS.hookMs);
    } catch (error) {
      this.#deps.log.warn({ err: error, plugin: instance.name, hook: name }, 'a lifecycle hook failed');
    }
  }
}

/** @throws CodedError `plugin_load_failed` when its isolate did not outlive its load */
export function assertAlive(instance: Instance | null): void {
  if (instance?.guest.gone) throw new CodedError('plugin_load_failed', 'The plugin ended while it was loaded');
}
