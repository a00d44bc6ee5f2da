import { HOST_LIMITS } from './limits.ts';

/** One look at a host process. */
export interface MemorySample {
  readonly rssBytes: number;
  /** Isolates that run at that moment. */
  readonly running: readonly number[];
  /** Isolates that live in it: each that comes makes it grow. */
  readonly isolates: number;
}

export interface Overrun {
  readonly detail: string;
  /** Whom to blame: one, or several that cannot be told apart. */
  readonly isolates: readonly number[];
}

/** By how much the growth that is laid at an isolate's door shrinks with each look at which it does not run. */
const FORGET = 0.98;
const MB = 1024 * 1024;

/** Finds who makes a host process grow: V8's own limit does not count all that a guest can allocate (ADVERSARY 1). */
export class MemoryWatch {
  /** What the process was like when an isolate that runs was first seen running. */
  readonly #began = new Map<number, { readonly bytes: number; readonly isolates: number }>();
  /** Bytes that the process grew while an isolate ran. */
  readonly #grown = new Map<number, number>();
  #last: number | null = null;

  /**
   * Takes a look.
   *
   * @param limitOf an isolate's own limit in bytes
   * @returns what is over its limit, or null
   */
  look({ rssBytes, running, isolates }: MemorySample, limitOf: (isolate: number) => number): Overrun | null {
    if (rssBytes === 0) return null;
    const growth = rssBytes - (this.#last ?? rssBytes);
    this.#last = rssBytes;
    for (const [isolate, bytes] of this.#grown) {
      if (running.includes(isolate)) continue;
      if (bytes < MB) this.#grown.delete(isolate);
      else this.#grown.set(isolate, bytes * FORGET);
    }
    for (const isolate of this.#began.keys()) if (!running.includes(isolate)) this.#began.delete(isolate);
    for (const isolate of running) {
      if (!this.#began.has(isolate)) this.#began.set(isolate, { bytes: rssBytes - growth, isolates });
      this.#grown.set(isolate, (this.#grown.get(isolate) ?? 0) + Math.max(0, growth) / running.length);
    }

    const over = running.filter((isolate) => {
      const began = this.#began.get(isolate);
      if (began === undefined) return false;
      const others = Math.max(0, isolates - began.isolates) * HOST_LIMITS.newIsolateBytes;
      return rssBytes - began.bytes > 2 * limitOf(isolate) + HOST_LIMITS.growthBytes + others;
    });
    if (over.length > 0) {
      return { detail: `its memory grew to ${megabytes(rssBytes)} while it ran`, isolates: over };
    }
    if (rssBytes <= HOST_LIMITS.rssBytes) return null;
    return { detail: `its process takes ${megabytes(rssBytes)} of memory`, isolates: this.#greediest() };
  }

  /** Who made most of the growth; those that made nearly as much are as suspect. */
  #greediest(): number[] {
    const most = Math.max(0, ...this.#grown.values());
    return [...this.#grown].filter(([, bytes]) => bytes > most / 2).map(([isolate]) => isolate);
  }
}

function megabytes(bytes: number): string {
  return `${Math.round(bytes / MB)} MB`;
}
