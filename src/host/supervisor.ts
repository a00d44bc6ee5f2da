import type { LoadHead } from '../../runtime/protocol/messages.ts';
import type { Log } from '../log.ts';
import { detectLayers, type Layer, type LayerReport } from './confinement.ts';
import { hostFiles } from './files.ts';
import type { Guest, GuestEvents } from './guest.ts';
import { HostSlot } from './host-slot.ts';
import { type HostOptions, IsolateHost } from './isolate-host.ts';
import { HOST_LIMITS } from './limits.ts';
import type { HostFiles } from './lockdown-plan.ts';
import { type Placement, slotNames } from './placement.ts';
import { weaknesses } from './policy.ts';
import type { RemoteAgent } from './remote-agent.ts';

export interface SupervisorOptions {
  readonly prelude: string;
  readonly log: Log;
  /** Starts the hosts in another container; null has them as children of the core. */
  readonly agent: RemoteAgent | null;
  readonly guests: GuestEvents;
  /** A new host stands where one died: what was loaded has to be loaded again. */
  readonly onRespawn: () => void;
}

export interface HostReport {
  readonly name: string;
  readonly pid: number | null;
  readonly rss: number;
  readonly isolates: number;
  readonly restarts: number;
}

export interface SupervisorReport {
  readonly layer: Layer | null;
  /** What the first host could reach when it tried. */
  readonly reach: IsolateHost['ready']['reach'] | null;
  readonly layers: readonly LayerReport[];
  /** Whether the hosts are in another container. */
  readonly isRemote: boolean;
  /** Why the agent in another container starts no host; null when it does, or there is none. */
  readonly problem: string | null;
  readonly hosts: readonly HostReport[];
  /** Of all hosts that there were. */
  readonly restarts: number;
}

interface Ahead {
  readonly host: IsolateHost;
  onExit: HostOptions['onExit'];
}

/**
 * Keeps the isolate hosts running: starts them in the best layer that works here, listens to their hearts, watches their
 * memory, and starts another when one dies. Plugins share a process with those that are trusted as much.
 */
export class Supervisor {
  readonly #options: SupervisorOptions;
  readonly #files: HostFiles | RemoteAgent;
  /** Of the container of the agent, once that is known. */
  #layers: readonly LayerReport[];
  readonly #slots = new Map<string, HostSlot>();
  /** The layer of the first host: no later one is confined less because a start went wrong. */
  #layer: Layer | null = null;
  #reach: IsolateHost['ready']['reach'] | null = null;
  /** Started ahead of need: a slot whose process died has another at once. */
  #ahead: Ahead | null = null;
  #lastIsolate = 0;
  #restarts = 0;
  #stopped = false;
  readonly #timers: Timer[] = [];

  constructor(options: SupervisorOptions) {
    const { agent } = options;
    this.#options = options;
    this.#files = agent ?? hostFiles();
    this.#layers = agent === null ? detectLayers() : [];
  }

  /** @throws Error when no host comes up in any layer, or the agent does not answer */
  async start(): Promise<void> {
    const { agent } = this.#options;
    if (agent !== null) this.#layers = [await agent.describe()];
    await this.#startAhead();
    this.#timers.push(
      setInterval(() => this.#tick(performance.now()), HOST_LIMITS.tickMs),
      setInterval(() => this.#ping(), HOST_LIMITS.heartbeatMs),
    );
  }

  /** A number for a new isolate, never used before: so that the core knows who will live there before it runs. */
  nextIsolate(): number {
    this.#lastIsolate += 1;
    return this.#lastIsolate;
  }

  /**
   * Loads a bundle into a host; waits for one when it is being started.
   *
   * @throws LoadRefused, CodedError `plugin_unavailable` when there is no host
   */
  load(isolate: number, head: LoadHead, bundle: string, placement: Placement): Promise<Guest> {
    return this.#slotFor(placement).load(isolate, head, bundle);
  }

  report(): SupervisorReport {
    const hosts = [...this.#slots.values()].map((slot) => ({
      name: slot.name,
      pid: slot.host?.pid ?? null,
      rss: slot.host?.rss ?? 0,
      isolates: slot.host?.size ?? 0,
      restarts: slot.restarts,
    }));
    const restarts = hosts.reduce((sum, host) => sum + host.restarts, this.#restarts);
    const { agent } = this.#options;
    const where = { isRemote: agent !== null, problem: agent?.problem ?? null };
    return { layer: this.#layer, reach: this.#reach, layers: this.#layers, ...where, hosts, restarts };
  }

  stop(): void {
    this.#stopped = true;
    for (const timer of this.#timers) clearInterval(timer);
    this.#ahead?.host.kill('the core stops');
    for (const slot of this.#slots.values()) slot.stop();
  }

  /** Of the processes for that placement, the one with the fewest isolates. */
  #slotFor(placement: Placement): HostSlot {
    const slots = slotNames(placement).map((name) => this.#slots.get(name) ?? this.#newSlot(name, placement));
    return slots.reduce((best, slot) => ((slot.host?.size ?? 0) < (best.host?.size ?? 0) ? slot : best));
  }

  #newSlot(name: string, { kind }: Placement): HostSlot {
    const { log, onRespawn } = this.#options;
    const slot = new HostSlot({
      name,
      own: kind !== 'shared',
      once: kind === 'inspected',
      log,
      onRespawn,
      start: (onExit) => this.#takeAhead(onExit) ?? this.#startHost(onExit),
    });
    this.#slots.set(name, slot);
    return slot;
  }

  #takeAhead(onExit: HostOptions['onExit']): Promise<IsolateHost> | null {
    const ahead = this.#ahead;
    if (ahead === null) return null;
    this.#ahead = null;
    ahead.onExit = onExit;
    this.#timers.push(setTimeout(() => void this.#refill(), HOST_LIMITS.aheadMs));
    return Promise.resolve(ahead.host);
  }

  async #startAhead(): Promise<void> {
    const ahead: { onExit: HostOptions['onExit'] } = { onExit: () => this.#onAheadGone() };
    const host = await this.#startHost((reason, blamed) => ahead.onExit(reason, blamed));
    this.#ahead = Object.assign(ahead, { host });
  }

  /** An agent that was away is tried again, also when no plugin needs it: the core is not ready without it. */
  #onAheadGone(): void {
    this.#ahead = null;
    if (this.#options.agent !== null) setTimeout(() => void this.#refill(), HOST_LIMITS.respawnMs.longest).unref();
  }

  async #refill(): Promise<void> {
    if (this.#ahead !== null || this.#stopped) return;
    try {
      await this.#startAhead();
      if (this.#stopped) this.stop();
    } catch (error) {
      // Without it the next slot starts its own, and says what is wrong.
      this.#options.log.warn({ err: error }, 'no isolate host could be started ahead of need');
      this.#onAheadGone();
    }
  }

  #tick(now: number): void {
    this.#ahead?.host.tick(now);
    for (const slot of this.#slots.values()) {
      if (slot.tick(now)) continue;
      this.#slots.delete(slot.name);
      this.#restarts += slot.restarts;
    }
  }

  #ping(): void {
    this.#ahead?.host.ping();
    for (const slot of this.#slots.values()) slot.host?.ping();
  }

  /** Starts a host in the best layer in which it comes up; each that does not is said in the log. */
  async #startHost(onExit: HostOptions['onExit']): Promise<IsolateHost> {
    if (this.#stopped) throw new Error('the core stops');
    let lastError: unknown;
    for (const { layer, available } of this.#layers) {
      if (!available) continue;
      if (this.#layer !== null && layer !== this.#layer) continue;
      try {
        const { prelude, log, guests } = this.#options;
        return this.#note(await IsolateHost.start({ files: this.#files, layer, prelude, log, guests, onExit }));
      } catch (error) {
        lastError = error;
        this.#options.log.error({ err: error, layer }, 'the isolate host does not start in this layer');
      }
    }
    throw lastError ?? new Error('no confinement layer is available');
  }

  #note(host: IsolateHost): IsolateHost {
    const first = this.#layer === null;
    this.#layer = host.layer;
    this.#reach = host.ready.reach;
    const reached = Object.entries(host.ready.reach).flatMap(([what, got]) => (got ? [what] : []));
    const { seccomp = false, detail = '' } = this.#layers.find(({ layer }) => layer === host.layer) ?? {};
    this.#options.log.info(
      { pid: host.pid, layer: host.layer, seccomp, confinement: detail, reached, node: host.ready.node },
      'isolate host is ready',
    );
    const weak = first ? weaknesses(this.report()) : [];
    if (weak.length > 0) {
      this.#options.log.warn({ weaknesses: weak }, 'the isolate hosts are confined weakly: see `streamspace doctor`');
    }
    return host;
  }
}
