/** What is spent in one window of time: it begins with what is spent first, and the next one with what comes after it. */
export class SpendWindow {
  readonly #lengthMs: number;
  #spent = 0;
  #endsAt = Number.NEGATIVE_INFINITY;

  constructor(lengthMs: number) {
    this.#lengthMs = lengthMs;
  }

  /** Milliseconds of the caller's clock. */
  get endsAt(): number {
    return this.#endsAt;
  }

  /** What the last window holds, whether it has ended or not: for a look that may not cost a clock. */
  get last(): number {
    return this.#spent;
  }

  /** What was spent in the window that `now` is in. */
  spentAt(now: number): number {
    return now < this.#endsAt ? this.#spent : 0;
  }

  /** Adds to the window that `now` is in; answers all that was spent in it. */
  spend(amount: number, now: number): number {
    if (now >= this.#endsAt) {
      this.#spent = 0;
      this.#endsAt = now + this.#lengthMs;
    }
    this.#spent += amount;
    return this.#spent;
  }
}
