import { HOST_LIMITS } from './limits.ts';

/** Finds a host whose messages keep the core from everything else. */
export class FloodWatch {
  #frames = new Map<number, number>();
  #from: { readonly at: number; readonly busyMs: number } | null = null;

  /** A frame came that names this isolate. */
  count(isolate: number): void {
    this.#frames.set(isolate, (this.#frames.get(isolate) ?? 0) + 1);
  }

  /**
   * Takes a look.
   *
   * @param busyMs what the core has spent on this host's messages in all
   * @returns null when it is bearable; else whom to blame: the isolate that sent most of it, or nobody
   */
  look(now: number, busyMs: number): readonly number[] | null {
    this.#from ??= { at: now, busyMs };
    const passed = now - this.#from.at;
    if (passed < HOST_LIMITS.floodMs) return null;
    const share = (busyMs - this.#from.busyMs) / passed;
    const frames = [...this.#frames];
    this.#frames = new Map();
    this.#from = { at: now, busyMs };
    if (share < HOST_LIMITS.floodShare) return null;
    const all = frames.reduce((sum, [, count]) => sum + count, 0);
    return frames.filter(([, count]) => count > all / 2).map(([isolate]) => isolate);
  }
}
