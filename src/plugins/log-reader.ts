import type { LogEntry } from './plugin-log.ts';

/** A queue from the log to one reader: never makes the log wait; a slow reader loses the oldest lines and is told so. */
export class LogReader implements AsyncIterableIterator<LogEntry> {
  readonly #max: number;
  readonly #onEnd: () => void;
  #queue: LogEntry[] = [];
  #lost = 0;
  #ended = false;
  #waiting: ((result: IteratorResult<LogEntry>) => void)[] = [];

  constructor(max: number, onEnd: () => void) {
    this.#max = max;
    this.#onEnd = onEnd;
  }

  push(entry: LogEntry): void {
    const waiting = this.#waiting.shift();
    if (waiting !== undefined) {
      waiting({ done: false, value: entry });
      return;
    }
    this.#queue.push(entry);
    if (this.#queue.length <= this.#max) return;
    this.#queue.shift();
    this.#lost += 1;
  }

  next(): Promise<IteratorResult<LogEntry>> {
    const entry = this.#queue[0];
    if (entry !== undefined && this.#lost > 0) {
      const message = `${this.#lost} lines are not shown: they came faster than they were read`;
      this.#lost = 0;
      // The id before the next line's, so that who asks for what comes after it misses nothing.
      return Promise.resolve({ done: false, value: { id: entry.id - 1, time: entry.time, level: 'warn', message } });
    }
    if (entry !== undefined) {
      this.#queue.shift();
      return Promise.resolve({ done: false, value: entry });
    }
    if (this.#ended) return Promise.resolve({ done: true, value: undefined });
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** Ends it: what is queued can still be read. */
  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#onEnd();
    for (const waiting of this.#waiting.splice(0)) waiting({ done: true, value: undefined });
  }

  return(): Promise<IteratorResult<LogEntry>> {
    this.#queue = [];
    this.end();
    return Promise.resolve({ done: true, value: undefined });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}
