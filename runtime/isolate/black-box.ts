import { writeSync } from 'node:fs';
import { BLACK_BOX } from '../protocol/black-box.ts';
import { mapFile } from './shared-memory.ts';

const DESCRIPTOR = 0;

/**
 * Notes which isolates run, where the core finds it after a crash: in a file that is mapped into memory. (Where it cannot
 * be, each note is a write: 1 us itself, and some more for what the kernel leaves of the processor's caches.)
 */
export class BlackBox {
  readonly #words: Uint32Array<ArrayBuffer>;
  readonly #mapped: boolean;

  constructor() {
    const memory = mapFile(DESCRIPTOR, BLACK_BOX.bytes);
    this.#mapped = memory !== null;
    this.#words = new Uint32Array(memory ?? new ArrayBuffer(BLACK_BOX.bytes));
  }

  /** The main thread enters an isolate. */
  enter(isolate: number): void {
    this.#set(0, isolate);
  }

  /** The main thread is in no isolate any more; one call after several entries is enough. */
  leave(): void {
    if (this.#words[0] !== 0) this.#set(0, 0);
  }

  /** An isolate is run on the pool; of more than fit, the last are not noted. */
  begin(isolate: number): void {
    const free = this.#words.indexOf(0, 1);
    if (free > 0) this.#set(free, isolate);
  }

  end(isolate: number): void {
    const at = this.#words.indexOf(isolate, 1);
    if (at > 0) this.#set(at, 0);
  }

  #set(at: number, isolate: number): void {
    // Not a plain store: that may be put off until after the entry that it tells of.
    Atomics.store(this.#words, at, isolate);
    if (!this.#mapped) writeSync(DESCRIPTOR, this.#words, at * 4, 4, at * 4);
  }
}
