import { totalmem } from 'node:os';
import { Counter, type Registry } from 'prom-client';
import type { Guest } from '../host/guest.ts';
import { HOST_LIMITS } from '../host/limits.ts';
import type { Log } from '../log.ts';
import type { Instance } from './instance.ts';
import type { Plugin } from './plugin.ts';

/** Limits of hibernation: data, with the reason beside each number. */
export const HIBERNATION_LIMITS = {
  /** Milliseconds between two looks: news of isolates come no faster. */
  tickMs: HOST_LIMITS.heartbeatMs,
  /** Milliseconds after which a plugin that did not wake is tried again: as long as its callers are told to wait. */
  retryMs: 30_000,
  /** Milliseconds that a load at start waits at most for an isolate that may come to rest: two heartbeats and a little. */
  roomMs: 1_000,
  /** Plugins that wake at a time: more would not be quicker, only all of them late, and in memory before any can go. */
  wakesAtOnce: 8,
  /** Milliseconds after which a plugin that still wakes holds up the next one no more; a small one takes 5. */
  wakeTurnMs: 250,
  /** Milliseconds that a job waits for its plugin: nobody else is kept, and a tick that fails is not made up for. */
  jobWaitMs: 60_000,
  /** Part of the machine's memory that isolates at rest may take. */
  memoryShare: 1 / 8,
  /** Bytes of an isolate that has worked, its small plugin included; 2.5 MB before. */
  isolateBytes: 3.5 * 1024 * 1024,
  /** Isolates of any machine: fewer would come and go all the time. */
  leastIsolates: 50,
  /** Of the largest: all of them may be in one process, which ends at HOST_LIMITS.rssBytes; this leaves it a third. */
  mostIsolates: 256,
  /**
   * Isolates beyond which it is crowded: there, idle is who was not used for `crowdedMs`, and a start or an install of many
   * makes room at once. A thousand plugins so stay under 1 GB on any machine, and those in use are left alone.
   */
  crowd: 128,
  crowdedMs: 10_000,
} as const;

export interface HibernationRules {
  /** Milliseconds without use after which an isolate is let go; 0 is never. */
  readonly afterMs: number;
  /** Isolates in memory beyond which those used least recently are let go at once, if they are at rest. */
  readonly maxIsolates: number;
}

/** What the rule looks at in a live isolate. */
export interface Activity {
  /** Whether an invocation, a stream or a call of the guest is under way. */
  readonly busy: boolean;
  /** Whether a timer of the guest waits; null while the host has not said so since it was last used. */
  readonly timerPending: boolean | null;
  /** Whether it holds what another load would not bring back. */
  readonly pinned: boolean;
  /** When it was last seen at work, in milliseconds of the clock. */
  readonly usedAt: number;
}

/** Bytes that this process may count on: of the machine, or of the container that it is in. */
export function machineMemory(): number {
  const limit = process.constrainedMemory();
  return limit > 0 ? Math.min(limit, totalmem()) : totalmem();
}

/** Isolates that a machine with so much memory (bytes) holds unless the operator says otherwise. */
export function defaultMaxIsolates(memoryBytes: number): number {
  const { memoryShare, isolateBytes, leastIsolates, mostIsolates } = HIBERNATION_LIMITS;
  return Math.min(mostIsolates, Math.max(leastIsolates, Math.floor((memoryBytes * memoryShare) / isolateBytes)));
}

export function isAtRest({ busy, timerPending, pinned }: Activity): boolean {
  return !busy && timerPending === false && !pinned;
}

/** Whether it only has to be heard of before it is known to be at rest. */
function mayBeAtRest({ busy, timerPending, pinned }: Activity): boolean {
  return !busy && timerPending === null && !pinned;
}

/**
 * Those that are to be let go now: idle for long enough, which is less long where it is crowded; and beyond the cap, the
 * least recently used first.
 */
export function chooseSleepers<T>(
  live: readonly { readonly of: T; readonly activity: Activity }[],
  rules: HibernationRules,
  now: number,
): T[] {
  const resting = live
    .filter(({ activity }) => isAtRest(activity))
    .sort((a, b) => a.activity.usedAt - b.activity.usedAt);
  const { afterMs, maxIsolates } = rules;
  const { crowd, crowdedMs } = HIBERNATION_LIMITS;
  const isOver = (index: number): boolean => index < live.length - maxIsolates;
  const isIdle = (index: number, idleMs: number): boolean =>
    afterMs > 0 && (idleMs >= afterMs || (index < live.length - crowd && idleMs >= crowdedMs));
  return resting
    .filter(({ activity }, index) => isOver(index) || isIdle(index, now - activity.usedAt))
    .map(({ of }) => of);
}

/** Counts of the plugins' comings and goings; a plugin's series go when it is forgotten. */
export interface HibernationMetrics {
  hibernated(plugin: string): void;
  woke(plugin: string): void;
  drop(plugin: string): void;
}

export function createHibernationMetrics(registry: Registry): HibernationMetrics {
  const counter = (name: string, help: string) =>
    new Counter({ name, help, labelNames: ['plugin'] as const, registers: [registry] });
  const hibernations = counter('streamspace_plugin_hibernations_total', 'Isolates that were idle and let go');
  const wakes = counter('streamspace_plugin_wakes_total', 'Isolates made again for an invocation');
  return {
    hibernated: (plugin) => hibernations.labels(plugin).inc(),
    woke: (plugin) => wakes.labels(plugin).inc(),
    drop(plugin) {
      hibernations.remove(plugin);
      wakes.remove(plugin);
    },
  };
}

export interface HibernationDeps {
  readonly log: Log;
  readonly rules: HibernationRules;
  readonly metrics: HibernationMetrics;
  readonly plugins: () => Iterable<Plugin>;
  /** Calls of a guest into the core that are under way. */
  readonly callsOf: (guest: Guest) => number;
  /** Lets the instance go if it is the plugin's live one and `mayRest` says yes when its turn has come. */
  readonly hibernate: (plugin: Plugin, instance: Instance, mayRest: () => boolean) => Promise<void>;
  /** Milliseconds, as `performance.now()`. */
  readonly clock?: () => number;
}

/** Watches which isolates are idle, and has them let go. */
export class Hibernation {
  readonly #deps: HibernationDeps;
  readonly #clock: () => number;
  readonly #going = new Set<Instance>();
  /** Those that wait for their turn to wake. */
  readonly #queue: (() => void)[] = [];
  #turns: number = HIBERNATION_LIMITS.wakesAtOnce;
  #timer: Timer | null = null;

  constructor(deps: HibernationDeps) {
    this.#deps = deps;
    this.#clock = deps.clock ?? (() => performance.now());
  }

  start(): void {
    this.#timer ??= setInterval(() => this.look(), HIBERNATION_LIMITS.tickMs);
  }

  stop(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
  }

  /** Lets go what is idle now. */
  look(rules = this.#deps.rules): void {
    const live = this.#live();
    for (const [plugin, instance] of chooseSleepers(live, rules, this.#clock())) {
      this.#going.add(instance);
      this.#deps
        .hibernate(plugin, instance, () => isAtRest(this.#activityOf(plugin, instance)))
        .catch((error: unknown) => this.#deps.log.error({ err: error, plugin: plugin.name }, 'could not hibernate'))
        .finally(() => this.#going.delete(instance));
    }
  }

  /** Loads a plugin that is to wake when its turn has come and there is room. */
  async wake(load: () => Promise<void>): Promise<void> {
    if (this.#turns > 0) this.#turns -= 1;
    else await new Promise<void>((resolve) => this.#queue.push(resolve));
    try {
      await this.#room(this.#deps.rules.maxIsolates);
      await Promise.race([load(), Bun.sleep(HIBERNATION_LIMITS.wakeTurnMs)]);
    } finally {
      const next = this.#queue.shift();
      if (next === undefined) this.#turns += 1;
      else next();
    }
  }

  /** For loads that nobody waits for: resolves when there is room for another, or when those there go on working. */
  room(): Promise<void> {
    const { afterMs, maxIsolates } = this.#deps.rules;
    return this.#room(afterMs === 0 ? maxIsolates : Math.min(maxIsolates, HIBERNATION_LIMITS.crowd));
  }

  async #room(cap: number): Promise<void> {
    const { afterMs } = this.#deps.rules;
    const end = this.#clock() + HIBERNATION_LIMITS.roomMs;
    for (;;) {
      // One less than the cap: the next one is to fit.
      this.look({ afterMs, maxIsolates: cap - 1 });
      const live = this.#live();
      if (live.length < cap || this.#clock() >= end) return;
      if (this.#going.size === 0 && !live.some(({ activity }) => mayBeAtRest(activity))) return;
      await Bun.sleep(this.#going.size > 0 ? 1 : HIBERNATION_LIMITS.tickMs / 5);
    }
  }

  #live(): { of: readonly [Plugin, Instance]; activity: Activity }[] {
    const live: { of: readonly [Plugin, Instance]; activity: Activity }[] = [];
    for (const plugin of this.#deps.plugins()) {
      const { instance } = plugin;
      if (instance === null || this.#going.has(instance)) continue;
      live.push({ of: [plugin, instance], activity: this.#activityOf(plugin, instance) });
    }
    return live;
  }

  #activityOf({ state }: Plugin, { guest, registrations }: Instance): Activity {
    return {
      busy: guest.inFlight > 0 || this.#deps.callsOf(guest) > 0,
      timerPending: guest.timerPending,
      // A newer version does not load: what serves on could not be brought back.
      pinned:
        registrations.changed || guest.inspection !== null || (state.kind === 'active' && state.reloadFailure !== null),
      usedAt: guest.usedAt,
    };
  }
}
