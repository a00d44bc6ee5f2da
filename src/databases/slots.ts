/** So many at a time for each key; the rest wait in order. */
export class Slots {
  readonly #max: number;
  readonly #taken = new Map<string, number>();
  readonly #waiting = new Map<string, (() => void)[]>();

  constructor(max: number) {
    this.#max = max;
  }

  /** @throws the signal's reason when it is aborted first */
  async take(key: string, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const taken = this.#taken.get(key) ?? 0;
    if (taken < this.#max) {
      this.#taken.set(key, taken + 1);
      return;
    }
    const queue = this.#waiting.get(key) ?? [];
    this.#waiting.set(key, queue);
    await new Promise<void>((resolve, reject) => {
      const enter = (): void => {
        signal.removeEventListener('abort', leave);
        resolve();
      };
      const leave = (): void => {
        queue.splice(queue.indexOf(enter), 1);
        reject(signal.reason);
      };
      queue.push(enter);
      signal.addEventListener('abort', leave, { once: true });
    });
  }

  /** Gives one back: it goes to who waits longest. */
  give(key: string): void {
    const next = this.#waiting.get(key)?.shift();
    if (next !== undefined) {
      next();
      return;
    }
    const left = (this.#taken.get(key) ?? 1) - 1;
    if (left > 0) this.#taken.set(key, left);
    else {
      this.#taken.delete(key);
      this.#waiting.delete(key);
    }
  }
}
