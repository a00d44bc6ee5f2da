import type { Database } from './database.ts';
import type { Random } from './random.ts';
import type { World } from './world.ts';

export interface LinkDeps {
  readonly world: World;
  readonly database: Database;
  readonly random: Random;
  readonly name: string;
  /** The share of statements that fail, half of them after they were carried out. */
  readonly flaky: () => number;
  /** Continues when the process can: not while it is frozen, and never when it is dead by then. */
  readonly resume: (fn: () => void) => void;
  readonly isAlive: () => boolean;
  /** A statement failed, or its answer was lost. */
  readonly troubled: () => void;
}

/** Longer than a statement takes that nothing is wrong with. */
const STUCK_MS = 500;

/** The connection of one process to the database: each statement takes its time, there and back, and may fail on the way. */
export class Link {
  readonly #deps: LinkDeps;
  readonly #since = new Set<{ readonly at: number }>();
  isCut = false;

  constructor(deps: LinkDeps) {
    this.#deps = deps;
  }

  get isUp(): boolean {
    return !this.isCut && this.#deps.database.isUp;
  }

  /** Whether a statement has been under way for very long. */
  get isStuck(): boolean {
    const [first] = this.#since;
    return first !== undefined && this.#deps.world.now - first.at > STUCK_MS;
  }

  /** Carries out `work` at the database, in one step; rejects when the database was away before or behind it. */
  call<T>(what: string, work: () => Promise<T>): Promise<T> {
    const { world, database, random, name, isAlive } = this.#deps;
    const flaky = this.#deps.flaky();
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    const answer = (ms: number, fn: () => void): void => {
      world.after(ms, () => this.#deps.resume(fn));
    };
    const fail = (ms: number, how: string): void => {
      world.note(name, () => `${what}: ${how}`);
      this.#deps.troubled();
      answer(ms, () => reject(new Error(`${what}: ${how}`)));
    };
    // So slow that a lease may end meanwhile.
    if (database.slowness > 1) this.#deps.troubled();
    const failsBefore = random.chance(flaky / 2);
    const failsBehind = random.chance(flaky / 2);
    const isLostInACrash = random.chance(0.5);
    world.after(this.#delay(), () => {
      // What a dead process has sent is carried out, or not.
      if (!isAlive() && isLostInACrash) return;
      if (!this.isUp) return fail(random.pick([1, 20, 500]), 'no connection');
      if (failsBefore) return fail(this.#delay(), 'refused');
      const back = this.#delay();
      work().then(
        (value) => {
          world.after(back, () => {
            if (failsBehind || !this.isUp) fail(0, 'done, but the answer was lost');
            else this.#deps.resume(() => resolve(value));
          });
        },
        (error: unknown) => answer(back, () => reject(error)),
      );
    });
    const since = { at: world.now };
    this.#since.add(since);
    return promise.finally(() => {
      this.#since.delete(since);
      if (world.now - since.at > STUCK_MS) this.#deps.troubled();
    });
  }

  /** Half a round trip: most take a millisecond or so, some much longer. */
  #delay(): number {
    const { random, database } = this.#deps;
    const ms = random.chance(0.03) ? random.int(20, 200) : 0.3 + random.next() * 3;
    return ms * database.slowness;
  }
}
