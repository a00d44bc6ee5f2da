import type { Clock } from './limits.ts';

/**
 * The store's time, as this core guesses it between two answers: its own clock, put right by what it heard last. So a core
 * whose clock is off looks at the right moment; and should it err, the store still refuses what is early.
 */
export class StoreClock {
  readonly #clock: Clock;
  #offset = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  now(): number {
    return this.#clock.now() + this.#offset;
  }

  /** Asks the store, and learns from its answer. */
  async ask<T extends { readonly now: number }>(question: () => Promise<T>): Promise<T> {
    const before = this.#clock.now();
    const answer = await question();
    const after = this.#clock.now();
    // A clock that was set back meanwhile says nothing about when the answer was given.
    this.#offset = answer.now - (after >= before ? (before + after) / 2 : after);
    return answer;
  }
}
