/** Capacity (bytes) that a queue begins with: a small answer fits without growing. */
const FIRST_BYTES = 1_024;

/**
 * Bytes that wait to be read, in one piece of memory of their own: a writer of many small chunks takes no more of it than
 * a writer of few large ones, and the buffer that a chunk came in is free again.
 */
export class ByteQueue {
  #memory: Buffer | null = null;
  #length = 0;

  get length(): number {
    return this.#length;
  }

  push(bytes: Uint8Array): void {
    const needed = this.#length + bytes.length;
    const capacity = this.#memory?.length ?? 0;
    if (needed > capacity) {
      const grown = Buffer.allocUnsafeSlow(Math.max(needed, capacity * 2, FIRST_BYTES));
      this.#memory?.copy(grown, 0, 0, this.#length);
      this.#memory = grown;
    }
    this.#memory?.set(bytes, this.#length);
    this.#length = needed;
  }

  /** All that waits, handed over; null when there is nothing. */
  take(): Buffer | null {
    const taken = this.#length === 0 ? null : (this.#memory?.subarray(0, this.#length) ?? null);
    this.clear();
    return taken;
  }

  clear(): void {
    this.#memory = null;
    this.#length = 0;
  }
}
