import { writeSync } from 'node:fs';
import { BLACK_BOX } from '../protocol/black-box.ts';

const DESCRIPTOR = 0;

/** Notes which isolates run, where the core finds it after a crash: a write to memory of the kernel's, about 1 us. */
export class BlackBox {
  readonly #words = new Uint32Array(BLACK_BOX.words);
  readonly #bytes = new Uint8Array(this.#words.buffer);

  /** The main thread enters an isolate. */
  enter(isolate: number): void {
    this.#words[0] = isolate;
    writeSync(DESCRIPTOR, this.#bytes, 0, 4, 0);
  }

  /** The main thread is in no isolate any more; one call after several entries is enough. */
  leave(): void {
    if (this.#words[0] !== 0) this.enter(0);
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
    this.#words[at] = isolate;
    writeSync(DESCRIPTOR, this.#bytes, at * 4, 4, at * 4);
  }
}
