import type { Db } from '../db/client.ts';
import type { Log } from '../log.ts';
import type { Backends } from './backends.ts';
import { doom, forgetBlobs, giveUp, pluginsWithDue } from './blob-rows.ts';
import { BLOB_LIMITS } from './limits.ts';

export interface BlobSweepDeps {
  readonly db: Db;
  readonly log: Log;
  readonly backends: Pick<Backends, 'of'>;
}

/** Removes blobs that no file and no restore point has: what was replaced, deleted, given up, or left by a crash. */
export class BlobSweep {
  readonly #deps: BlobSweepDeps;

  constructor(deps: BlobSweepDeps) {
    this.#deps = deps;
  }

  /** Of one plugin; answers how many. What a backend cannot remove now is tried again later. */
  async plugin(plugin: string): Promise<number> {
    const { db, backends, log } = this.#deps;
    let removed = 0;
    for (;;) {
      const doomed = await doom(db, plugin);
      const gone: string[] = [];
      for (const { key, backend } of doomed) {
        try {
          await backends.of(backend).delete(key);
          gone.push(key);
        } catch (error) {
          log.warn({ err: error, plugin, backend, key }, 'a blob was not removed; it is tried again');
        }
      }
      await forgetBlobs(db, gone);
      removed += gone.length;
      if (doomed.length < BLOB_LIMITS.sweepBatch) return removed;
    }
  }

  /** Of all plugins. */
  async all(): Promise<number> {
    let removed = 0;
    for (const plugin of await pluginsWithDue(this.#deps.db)) removed += await this.plugin(plugin);
    return removed;
  }

  /**
   * The same of one plugin, for a write that is done and has no use for what goes wrong or takes long.
   *
   * @param abandoned key of a blob that was to get a name and does not
   */
  async quietly(plugin: string, abandoned: string | null = null): Promise<void> {
    const { promise: late, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, BLOB_LIMITS.removalMs);
    await Promise.race([this.#attempt(plugin, abandoned), late]);
    clearTimeout(timer);
  }

  async #attempt(plugin: string, abandoned: string | null): Promise<void> {
    try {
      if (abandoned !== null) await giveUp(this.#deps.db, plugin, abandoned);
      await this.plugin(plugin);
    } catch (error) {
      this.#deps.log.warn({ err: error, plugin }, 'blobs that nobody has were not removed; they are tried again');
    }
  }
}
