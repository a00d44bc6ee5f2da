import type { LoadHead } from '../../runtime/protocol/messages.ts';
import type { Log } from '../log.ts';
import type { Guest } from './guest.ts';
import type { HostOptions, IsolateHost } from './isolate-host.ts';
import { HOST_LIMITS } from './limits.ts';
import { hostGone } from './load-refused.ts';

type IsolateHostExit = HostOptions['onExit'];

export interface SlotOptions {
  readonly name: string;
  /** Whether it is for one plugin. */
  readonly own: boolean;
  /** Whether it is for one isolate: the process goes with that, and no other takes its place. */
  readonly once: boolean;
  readonly log: Log;
  /** Starts a process; `onExit` is told once when it is no more. */
  readonly start: (onExit: IsolateHostExit) => Promise<IsolateHost>;
  /** A process died, and another stands in its place if need be: what was loaded has to be loaded again. */
  readonly onRespawn: () => void;
}

/** The place of one host process: it is started when an isolate is to live there, and again each time that it dies. */
export class HostSlot {
  readonly name: string;
  restarts = 0;
  readonly #options: SlotOptions;
  #host: IsolateHost | null = null;
  #starting: Promise<IsolateHost> | null = null;
  #startedAt = 0;
  #failures = 0;
  #stopped = false;
  /** Since when there was no isolate, by `performance.now()`. */
  #emptySince: number | null = null;

  constructor(options: SlotOptions) {
    this.name = options.name;
    this.#options = options;
  }

  get host(): IsolateHost | null {
    return this.#host;
  }

  /**
   * Loads a bundle; waits for the process when it is being started.
   *
   * @throws LoadRefused, CodedError `plugin_unavailable` when there is no process
   */
  async load(isolate: number, head: LoadHead, bundle: string): Promise<Guest> {
    const host = this.#host ?? (await this.#spawn().catch(noHost));
    this.#emptySince = null;
    return host.load(isolate, head, bundle);
  }

  /** Looks after the process; called every `tickMs`. @returns false when it was empty for long and has been let go */
  tick(now: number): boolean {
    const host = this.#host;
    if (host === null) return this.#starting !== null || this.#failures > 0 || !this.#isLong(now);
    host.tick(now);
    if (host.size > 0 || this.#host === null) this.#emptySince = null;
    else if (this.#isLong(now)) {
      this.stop();
      return false;
    }
    return true;
  }

  stop(): void {
    this.#stopped = true;
    this.#host?.kill('it is not needed any more');
  }

  #isLong(now: number): boolean {
    this.#emptySince ??= now;
    return now - this.#emptySince > (this.#options.once ? 0 : HOST_LIMITS.emptyMs);
  }

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
    try {
      this.#host = await this.#options.start((reason, blamed) => this.#onExit(reason, blamed));
    } catch (error) {
      this.#failures += 1;
      throw error;
    }
    this.#host.placement = this.name;
    this.#startedAt = performance.now();
    return this.#host;
  }

  #onExit(reason: string, blamed: boolean): void {
    this.#host = null;
    if (this.#stopped) return;
    if (this.#options.once) {
      this.#stopped = true;
      this.#options.onRespawn();
      return;
    }
    this.restarts += 1;
    // Who is to blame comes back elsewhere (docs/adr/0010): the others need not wait for it.
    const isSound = performance.now() - this.#startedAt > HOST_LIMITS.soundAfterMs || (blamed && !this.#options.own);
    this.#failures = isSound ? 0 : this.#failures + 1;
    this.#options.log.error({ reason, host: this.name }, 'isolate host died, starting another');
    void this.#respawn();
  }

  /** Starts another process, however many attempts it takes, and has the plugins loaded into it. */
  async #respawn(): Promise<void> {
    while (this.#host === null && !this.#stopped) {
      try {
        await this.#spawn();
      } catch (error) {
        if (this.#stopped) return;
        this.#options.log.error({ err: error, host: this.name }, 'no isolate host can be started: trying again');
      }
    }
    if (!this.#stopped) this.#options.onRespawn();
  }
}

function noHost(error: unknown): never {
  throw hostGone(error instanceof Error ? error.message : String(error));
}
