import { closeSync, fchmodSync, ftruncateSync, openSync, readSync, unlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BLACK_BOX, type BlackBoxReading, readBlackBox } from '../../runtime/protocol/black-box.ts';

/** The file that a host writes who runs to; without a name it outlives the host's death, not the core's. */
export class BlackBoxFile {
  /** For the child, as its descriptor 0. */
  readonly descriptor: number;
  readonly #bytes = Buffer.alloc(BLACK_BOX.bytes);
  #open = true;

  private constructor(path: string) {
    this.descriptor = openSync(path, 'wx+', 0o600);
    ftruncateSync(this.descriptor, BLACK_BOX.bytes);
  }

  /** For a child that inherits it. */
  static unnamed(): BlackBoxFile {
    const path = join(tmpdir(), `streamspace-${crypto.randomUUID()}`);
    const box = new BlackBoxFile(path);
    unlinkSync(path);
    return box;
  }

  /** For one that opens it by its path, from another container: with the group of the folder. Remove the name then. */
  static named(path: string): BlackBoxFile {
    const box = new BlackBoxFile(path);
    // Whatever the umask says.
    fchmodSync(box.descriptor, 0o660);
    return box;
  }

  /** Who runs, as the host last said. It is the host's word: good for blame within that host and nothing else. */
  read(): BlackBoxReading {
    if (!this.#open) return { main: null, pool: [] };
    const length = readSync(this.descriptor, this.#bytes, 0, BLACK_BOX.bytes, 0);
    return readBlackBox(this.#bytes.subarray(0, length));
  }

  close(): void {
    if (!this.#open) return;
    this.#open = false;
    closeSync(this.descriptor);
  }
}
