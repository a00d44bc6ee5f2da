import { bareList } from './lists.ts';

/** A callback that waits for its time. `at` is where it stands in the queue, -1 when it does not. */
export interface Timer {
  readonly id: number;
  due: number;
  /** Order among timers that are due at the same time. */
  order: number;
  at: number;
  readonly run: () => void;
  /** Milliseconds between runs; null runs once. */
  readonly every: number | null;
  /** How many timers deep it was set inside callbacks of timers. */
  readonly nesting: number;
}

const before = (a: Timer, b: Timer): boolean => a.due < b.due || (a.due === b.due && a.order < b.order);

/** Timers by due time: a binary heap that knows where each stands, so that clearing one is O(log n). */
export class TimerQueue {
  readonly #heap = bareList<Timer>();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** The timer that is due first. */
  peek(): Timer | undefined {
    return this.#size === 0 ? undefined : this.#heap[0];
  }

  add(timer: Timer): void {
    this.#up(timer, this.#size++);
  }

  remove(timer: Timer): void {
    const { at } = timer;
    if (at < 0) return;
    timer.at = -1;
    const last = this.#heap[--this.#size] as Timer;
    this.#heap.length = this.#size;
    if (last === timer) return;
    this.#up(last, at);
    if (last.at === at) this.#down(last, at);
  }

  #up(timer: Timer, from: number): void {
    const heap = this.#heap;
    let at = from;
    while (at > 0) {
      const above = (at - 1) >> 1;
      const other = heap[above] as Timer;
      if (!before(timer, other)) break;
      heap[at] = other;
      other.at = at;
      at = above;
    }
    heap[at] = timer;
    timer.at = at;
  }

  #down(timer: Timer, from: number): void {
    const heap = this.#heap;
    let at = from;
    for (;;) {
      let below = 2 * at + 1;
      if (below >= this.#size) break;
      if (below + 1 < this.#size && before(heap[below + 1] as Timer, heap[below] as Timer)) below++;
      const other = heap[below] as Timer;
      if (!before(other, timer)) break;
      heap[at] = other;
      other.at = at;
      at = below;
    }
    heap[at] = timer;
    timer.at = at;
  }
}
