import type { Guest } from '../host/guest.ts';
import type { PluginLimits } from '../host/limits.ts';
import { PluginQuotas } from './plugin-quotas.ts';

/** Milliseconds between two lines that tell a plugin's log of the same limit: more would be a flood of their own. */
const TELL_EVERY_MS = 60_000;

export interface QuotasDeps {
  /** What a plugin may use at the moment. */
  readonly limitsOf: (plugin: string) => PluginLimits;
  /** A limit refused something; `tell` once a minute, for the log. */
  readonly onExceeded: (plugin: string, limit: string, error: Error, tell: boolean) => void;
  /** The core's clock in milliseconds. */
  readonly now?: () => number;
}

/** The quotas of all plugins, by name: they outlive an isolate. */
export class Quotas {
  readonly #deps: QuotasDeps;
  readonly #now: () => number;
  readonly #plugins = new Map<string, PluginQuotas>();
  /** CPU of a guest that was counted already. */
  readonly #counted = new WeakMap<object, number>();

  constructor(deps: QuotasDeps) {
    this.#deps = deps;
    this.#now = deps.now ?? (() => performance.now());
  }

  of(plugin: string): PluginQuotas {
    let quotas = this.#plugins.get(plugin);
    if (quotas === undefined) {
      quotas = this.#make(plugin);
      this.#plugins.set(plugin, quotas);
    }
    return quotas;
  }

  /** CPU and heap of a guest were heard of; answers the CPU milliseconds since the last time. */
  heard(plugin: string, guest: Pick<Guest, 'cpuMs' | 'heapBytes'>): number {
    const spent = guest.cpuMs - (this.#counted.get(guest) ?? 0);
    this.#counted.set(guest, guest.cpuMs);
    this.of(plugin).ran(spent, guest.heapBytes);
    return spent;
  }

  /** The plugin is no more. */
  drop(plugin: string): void {
    this.#plugins.delete(plugin);
  }

  #make(plugin: string): PluginQuotas {
    const told = new Map<string, number>();
    return new PluginQuotas(plugin, {
      limits: () => this.#deps.limitsOf(plugin),
      now: this.#now,
      onExceeded: (limit, error) => {
        const now = this.#now();
        const tell = now - (told.get(limit) ?? Number.NEGATIVE_INFINITY) >= TELL_EVERY_MS;
        if (tell) told.set(limit, now);
        this.#deps.onExceeded(plugin, limit, error, tell);
      },
    });
  }
}
