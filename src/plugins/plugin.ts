import { CodedError } from '../../sandbox-apis/_kit/errors.ts';
import type { Subscription } from '../events/subscriptions.ts';
import type { Manifest } from '../packages/manifest.ts';
import type { Instance } from './instance.ts';
import { LIFECYCLE_LIMITS } from './limits.ts';
import type { RegistrationSet } from './registrations.ts';
import type { PluginState } from './state.ts';
import type { PluginRow } from './store.ts';

/** One installed plugin in this process: its row, its state, and who waits for it. */
export class Plugin {
  row: PluginRow;
  /** Of the version that was read last; null when its manifest could not be read. */
  manifest: Manifest | null;
  /** Folder of a built-in or watched plugin. */
  folder: string | null;
  #state: PluginState = { kind: 'installed' };
  #waiting: (() => void)[] = [];
  #turn: Promise<unknown> = Promise.resolve();
  /** When isolates were lost, by `performance.now()`. */
  strikes: number[] = [];
  /** Until when it has a process of its own, by `performance.now()`: it may have brought one down. */
  apartUntil = 0;
  /** Until when it is not loaded again, by `performance.now()`: others come first. */
  pausedUntil = 0;
  /** Subscriptions that the database has for it; null when that is not known. */
  subscribed: readonly Subscription[] | null = null;

  /** Generation of its row when what serves, or hibernates, was loaded; 0 while nothing was. */
  loaded = 0;

  /** Loads it, which is in state `loading` then; null while nothing can. */
  onWake: (() => void) | null = null;

  constructor(row: PluginRow, manifest: Manifest | null, folder: string | null) {
    this.row = row;
    this.manifest = manifest;
    this.folder = folder;
  }

  get name(): string {
    return this.row.name;
  }

  get state(): PluginState {
    return this.#state;
  }

  set state(state: PluginState) {
    this.#state = state;
    if (state.kind === 'loading') return;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const wake of waiting) wake();
  }

  /** The live instance, or null. */
  get instance(): Instance | null {
    return this.#state.kind === 'active' ? this.#state.instance : null;
  }

  /** What it registered: of the live instance, or of the last one while it hibernates or wakes. */
  get registrations(): RegistrationSet | null {
    const state = this.#state;
    switch (state.kind) {
      case 'active':
        return state.instance.registrations;
      case 'hibernated':
        return state.kept;
      case 'loading':
        return state.kept ?? null;
      case 'failed':
        return state.retry?.kept ?? null;
      default:
        return null;
    }
  }

  /** Whether it has no isolate and is to get one with the next invocation, or because of one. */
  get isAsleep(): boolean {
    return this.instance === null && this.registrations !== null;
  }

  /** Whether an invocation would find it active, or bring it back. */
  get isReachable(): boolean {
    return this.#state.kind === 'active' || this.#mayWake;
  }

  get #mayWake(): boolean {
    const state = this.#state;
    if (this.onWake === null) return false;
    return (
      state.kind === 'hibernated' || (state.kind === 'failed' && (state.retry?.at ?? Infinity) <= performance.now())
    );
  }

  #wake(): void {
    const kept = this.registrations;
    this.state = kept === null ? { kind: 'loading' } : { kind: 'loading', kept };
    this.onWake?.();
  }

  /** Runs lifecycle changes one after the other. */
  inTurn<T>(change: () => Promise<T>): Promise<T> {
    const turn = this.#turn.then(change, change);
    this.#turn = turn.catch(() => undefined);
    return turn;
  }

  /**
   * The live instance; one that hibernates is woken, and while the plugin is on its way it is waited for (milliseconds).
   *
   * @throws CodedError `plugin_disabled`, `plugin_quarantined`, `plugin_unavailable`
   */
  async ready(waitMs: number = LIFECYCLE_LIMITS.restartWaitMs): Promise<Instance> {
    if (this.#mayWake) this.#wake();
    if (this.#state.kind === 'loading') await this.#settled(waitMs);
    const state: PluginState = this.#state;
    switch (state.kind) {
      case 'active':
        return state.instance;
      case 'installed':
        throw new CodedError('plugin_disabled', `The plugin ${this.name} is not enabled`);
      case 'quarantined':
        throw new CodedError('plugin_quarantined', `The plugin ${this.name} is quarantined: ${state.reason}`);
      case 'failed':
        throw new CodedError('plugin_unavailable', `The plugin ${this.name} did not load`, { retryAfter: 30 });
      case 'hibernated':
      case 'loading':
        throw new CodedError('plugin_unavailable', `The plugin ${this.name} is being restarted`, { retryAfter: 1 });
    }
  }

  #settled(milliseconds: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, milliseconds);
      this.#waiting.push(() => {
        clearTimeout(timer);
        resolve();
      });
    });
  }
}
