import type { LoadHead } from '../../runtime/protocol/messages.ts';
import type { Log } from '../log.ts';
import { detectLayers, type HostFiles, type Layer, type LayerReport, readableByOthers } from './confinement.ts';
import { hostFiles } from './files.ts';
import type { Guest, GuestEvents } from './guest.ts';
import { hostGone, IsolateHost } from './isolate-host.ts';
import { HOST_LIMITS } from './limits.ts';

export interface SupervisorOptions {
  readonly prelude: string;
  readonly log: Log;
  readonly guests: GuestEvents;
  /** A new host stands where one died: what was loaded has to be loaded again. */
  readonly onRespawn: () => void;
}

export interface HostReport {
  readonly layer: Layer | null;
  readonly pid: number | null;
  readonly rss: number;
  readonly isolates: number;
  readonly restarts: number;
  readonly reach: IsolateHost['ready']['reach'] | null;
  readonly layers: readonly LayerReport[];
}

/**
 * Keeps an isolate host running: starts it in the best layer that works here, listens to its heart, and starts another
 * when it dies.
 */
export class Supervisor {
  readonly #options: SupervisorOptions;
  readonly #files: HostFiles = hostFiles();
  readonly #layers: readonly LayerReport[] = detectLayers();
  #host: IsolateHost | null = null;
  #starting: Promise<IsolateHost> | null = null;
  /** The layer of the first host: no later one is confined less because a start went wrong. */
  #layer: Layer | null = null;
  #startedAt = 0;
  #failures = 0;
  #restarts = 0;
  #lastIsolate = 0;
  #stopped = false;
  readonly #timers: Timer[] = [];

  constructor(options: SupervisorOptions) {
    this.#options = options;
  }

  async start(): Promise<void> {
    await this.#spawn();
    this.#timers.push(
      setInterval(() => this.#host?.tick(performance.now()), HOST_LIMITS.tickMs),
      setInterval(() => this.#host?.ping(), HOST_LIMITS.heartbeatMs),
    );
  }

  /** A number for a new isolate, never used before: so that the core knows who will live there before it runs. */
  nextIsolate(): number {
    this.#lastIsolate += 1;
    return this.#lastIsolate;
  }

  /**
   * Loads a bundle into a host; waits for one when it is being started again.
   *
   * @throws LoadRefused, CodedError `plugin_unavailable` when there is no host
   */
  async load(isolate: number, head: LoadHead, bundle: string): Promise<Guest> {
    const host = this.#host ?? (await this.#spawn().catch(noHost));
    return host.load(isolate, head, bundle);
  }

  report(): HostReport {
    return {
      layer: this.#host?.layer ?? null,
      pid: this.#host?.pid ?? null,
      rss: this.#host?.rss ?? 0,
      isolates: this.#host?.size ?? 0,
      restarts: this.#restarts,
      reach: this.#host?.ready.reach ?? null,
      layers: this.#layers,
    };
  }

  stop(): void {
    this.#stopped = true;
    for (const timer of this.#timers) clearInterval(timer);
    this.#host?.kill('the core stops');
  }

  /** Starts a host in the best layer in which it comes up; each that does not is said in the log. */
  #spawn(): Promise<IsolateHost> {
    this.#starting ??= this.#startHost().finally(() => {
      this.#starting = null;
    });
    return this.#starting;
  }

  async #startHost(): Promise<IsolateHost> {
    const pause = this.#failures === 0 ? 0 : Math.min(2 ** this.#failures * 50, HOST_LIMITS.respawnMs.longest);
    if (pause > 0) await Bun.sleep(pause);
    if (this.#stopped) throw new Error('the core stops');
    let lastError: unknown;
    for (const { layer, available } of this.#layers) {
      if (!available || (layer === 'namespaces' && !readableByOthers(this.#files.entry))) continue;
      if (this.#layer !== null && layer !== this.#layer) continue;
      try {
        return this.#take(await IsolateHost.start(this.#hostOptions(layer)));
      } catch (error) {
        lastError = error;
        this.#options.log.error({ err: error, layer }, 'the isolate host does not start in this layer');
      }
    }
    this.#failures += 1;
    throw lastError ?? new Error('no confinement layer is available');
  }

  #hostOptions(layer: Layer) {
    const { prelude, log, guests } = this.#options;
    return { files: this.#files, layer, prelude, log, guests, onExit: (reason: string) => this.#onExit(reason) };
  }

  #take(host: IsolateHost): IsolateHost {
    this.#host = host;
    this.#layer = host.layer;
    this.#startedAt = performance.now();
    const { reach } = host.ready;
    const reached = Object.entries(reach).flatMap(([what, got]) => (got ? [what] : []));
    this.#options.log.info(
      { pid: host.pid, layer: host.layer, reached, node: host.ready.node },
      'isolate host is ready',
    );
    if (host.layer === 'permission') {
      this.#options.log.warn('plugins are confined by one layer only: see `streamspace doctor` for a better one');
    }
    return host;
  }

  #onExit(reason: string): void {
    this.#host = null;
    if (this.#stopped) return;
    this.#restarts += 1;
    this.#failures = performance.now() - this.#startedAt > HOST_LIMITS.soundAfterMs ? 0 : this.#failures + 1;
    this.#options.log.error({ reason }, 'isolate host died, starting another');
    void this.#respawn();
  }

  /** Starts another host, however many attempts it takes, and has the plugins loaded into it. */
  async #respawn(): Promise<void> {
    while (this.#host === null && !this.#stopped) {
      try {
        await this.#spawn();
      } catch (error) {
        if (!this.#stopped) this.#options.log.error({ err: error }, 'no isolate host can be started: trying again');
      }
    }
    if (!this.#stopped) this.#options.onRespawn();
  }
}

function noHost(error: unknown): never {
  throw hostGone(error instanceof Error ? error.message : String(error));
}
