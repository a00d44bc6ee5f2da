import { drainMicrotasks } from 'bun:jsc';

interface Timer {
  readonly at: number;
  /** Of two at the same time, the one that was set first. */
  readonly place: number;
  fn: (() => void) | null;
}

/** More than any seed needs: code that asks again at once, for ever, is found by it. */
const MOST_STEPS = 400_000;

/**
 * Virtual time: what is due next happens next, and between two steps every promise that can settle does. Nothing else
 * runs meanwhile, so the same seed gives the same order.
 */
export class World {
  readonly trace: string[] = [];
  #now = 0;
  #steps = 0;
  #places = 0;
  readonly #heap: Timer[] = [];
  readonly #traced: boolean;

  constructor(traced: boolean) {
    this.#traced = traced;
  }

  /** Milliseconds since the simulation began; the true time, which no replica knows. */
  get now(): number {
    return this.#now;
  }

  get steps(): number {
    return this.#steps;
  }

  /** Does `fn` in `ms`; the answer cancels it. */
  after(ms: number, fn: () => void): () => void {
    const timer: Timer = { at: this.#now + Math.max(0, ms), place: this.#places++, fn };
    this.#push(timer);
    return () => {
      timer.fn = null;
    };
  }

  /** Goes on until the time is `until`; what is due then is done. */
  run(until: number): void {
    for (;;) {
      const next = this.#heap[0];
      if (next === undefined || next.at > until) break;
      this.#pop();
      if (next.fn === null) continue;
      this.#now = next.at;
      if (++this.#steps > MOST_STEPS) throw new Error(`more than ${MOST_STEPS} steps: something never rests`);
      next.fn();
      drainMicrotasks();
    }
    this.#now = Math.max(this.#now, until);
  }

  /** Writes a line of the trace, when one is wanted. */
  note(who: string, what: () => string): void {
    if (this.#traced) this.trace.push(`${this.#now.toFixed(1).padStart(9)} ${who.padEnd(6)} ${what()}`);
  }

  #push(timer: Timer): void {
    const heap = this.#heap;
    let at = heap.push(timer) - 1;
    while (at > 0) {
      const above = (at - 1) >> 1;
      if (!before(timer, heap[above] as Timer)) break;
      heap[at] = heap[above] as Timer;
      at = above;
    }
    heap[at] = timer;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let at = 0;
    for (;;) {
      let below = 2 * at + 1;
      if (below >= heap.length) break;
      const other = heap[below + 1];
      if (other !== undefined && before(other, heap[below] as Timer)) below++;
      if (!before(heap[below] as Timer, last)) break;
      heap[at] = heap[below] as Timer;
      at = below;
    }
    heap[at] = last;
  }
}

function before(a: Timer, b: Timer): boolean {
  return a.at < b.at || (a.at === b.at && a.place < b.place);
}
