import { Refusal } from './errors.ts';
import { failure, type Reply, type Work } from './guest-crypto.ts';
import { CRYPTO_LIMITS } from './limits.ts';

/** Tells of the end of a work, and of how many milliseconds it took a thread. */
type Done = (reply: Reply, milliseconds: number) => void;

interface Waiting {
  readonly work: Work;
  readonly done: Done;
}

/** What one isolate wants and has. */
class Line {
  readonly quick: Waiting[] = [];
  readonly slow: Waiting[] = [];
  bytes = 0;
  running = 0;
  slowRunning = 0;

  get waiting(): number {
    return this.quick.length + this.slow.length;
  }
}

const { process: MOST, isolate: EACH, heavyInProcess: MOST_SLOW, heavyInIsolate: EACH_SLOW } = CRYPTO_LIMITS.running;

/**
 * Who may use libuv's threads. What runs there cannot be cancelled, so isolates take turns, each has a few at a time, and
 * slow work never has all threads: a flood of one isolate makes that isolate wait, and leaves the others a thread.
 */
export class Turns {
  /** By isolate; the one that began something last is at the end. */
  readonly #lines = new Map<number, Line>();
  #running = 0;
  #slowRunning = 0;

  /** Runs it when it is its isolate's turn. */
  add(isolate: number, work: Work, done: Done): void {
    const line = this.#lines.get(isolate) ?? new Line();
    if (line.waiting >= CRYPTO_LIMITS.waiting || line.bytes + work.bytes > CRYPTO_LIMITS.waitingBytes) {
      const refusal = failure(new Refusal('OperationError', 'Too many operations wait: await some of them first'));
      // Not now: a guest that asks again whenever it is refused would be entered inside of its own answer, ever deeper.
      setImmediate(done, refusal, 0);
      return;
    }
    this.#lines.set(isolate, line);
    line.bytes += work.bytes;
    (work.slow ? line.slow : line.quick).push({ work, done });
    this.#begin();
  }

  /** Forgets what waits for an isolate that is no more. */
  drop(isolate: number): void {
    const line = this.#lines.get(isolate);
    if (line === undefined) return;
    line.quick.length = 0;
    line.slow.length = 0;
    if (line.running === 0) this.#lines.delete(isolate);
  }

  #begin(): void {
    while (this.#running < MOST) {
      const next = this.#next();
      if (next === null) return;
      void this.#run(...next);
    }
  }

  #next(): [isolate: number, line: Line, next: Waiting] | null {
    for (const [isolate, line] of this.#lines) {
      if (line.running >= EACH) continue;
      const maySlow = this.#slowRunning < MOST_SLOW && line.slowRunning < EACH_SLOW;
      const next = line.quick.shift() ?? (maySlow ? line.slow.shift() : undefined);
      if (next !== undefined) return [isolate, line, next];
    }
    return null;
  }

  async #run(isolate: number, line: Line, { work, done }: Waiting): Promise<void> {
    this.#lines.delete(isolate);
    this.#lines.set(isolate, line);
    this.#count(line, work, 1);
    const started = performance.now();
    const reply = await work.run();
    this.#count(line, work, -1);
    line.bytes -= work.bytes;
    if (line.running === 0 && line.waiting === 0) this.#lines.delete(isolate);
    done(reply, performance.now() - started);
    this.#begin();
  }

  #count(line: Line, { slow }: Work, by: 1 | -1): void {
    this.#running += by;
    line.running += by;
    if (!slow) return;
    this.#slowRunning += by;
    line.slowRunning += by;
  }
}
