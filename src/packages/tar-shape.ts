import { packageInvalid } from './paths.ts';

const BLOCK = 512;

/**
 * Watches the raw tar stream beside `tar-stream`, which skips empty blocks and so neither misses the end-of-archive
 * mark (two empty blocks, POSIX.1-2024 pax) nor minds what follows it. Both would let two readers see two packages.
 */
export class TarShape {
  #offset = 0;
  #blockEmpty = true;
  /** Runs of empty blocks as [start, end) offsets; those inside file contents are told apart in `verify`. */
  readonly #empty: [number, number][] = [];
  /** Stretches between the end of one entry and the header of the next: only pax and GNU long-name records. */
  readonly #gaps: [number, number][] = [];
  #entryEnd = 0;

  /** Takes the next bytes of the stream. */
  see(chunk: Uint8Array): void {
    for (let at = 0; at < chunk.length; ) {
      const length = Math.min(BLOCK - (this.#offset % BLOCK), chunk.length - at);
      if (this.#blockEmpty) this.#blockEmpty = isEmpty(chunk, at, at + length);
      at += length;
      this.#offset += length;
      if (this.#offset % BLOCK === 0) this.#endBlock();
    }
  }

  /** Takes the place of an entry: where its content begins and how long it is. */
  entry(contentOffset: number, size: number): void {
    const header = contentOffset - BLOCK;
    if (header > this.#entryEnd) this.#gaps.push([this.#entryEnd, header]);
    this.#entryEnd = contentOffset + Math.ceil(size / BLOCK) * BLOCK;
  }

  /** @throws CodedError `package_invalid` when the archive does not end where its first end mark is. */
  verify(): void {
    const last = this.#empty.at(-1);
    if (this.#offset - this.#entryEnd < 2 * BLOCK)
      throw packageInvalid('The tar archive is cut off: its end mark is missing');
    if (last === undefined || last[0] > this.#entryEnd || last[1] !== this.#offset) {
      throw packageInvalid('The tar archive has data after its last entry');
    }
    let run = 0;
    for (const [start, end] of this.#gaps) {
      while ((this.#empty[run]?.[1] ?? Infinity) <= start) run += 1;
      if ((this.#empty[run]?.[0] ?? Infinity) < end)
        throw packageInvalid('The tar archive has entries after its end mark');
    }
  }

  #endBlock(): void {
    if (this.#blockEmpty) {
      const last = this.#empty.at(-1);
      if (last !== undefined && last[1] === this.#offset - BLOCK) last[1] = this.#offset;
      else this.#empty.push([this.#offset - BLOCK, this.#offset]);
    }
    this.#blockEmpty = true;
  }
}

function isEmpty(bytes: Uint8Array, start: number, end: number): boolean {
  for (let i = start; i < end; i += 1) if (bytes[i] !== 0) return false;
  return true;
}
