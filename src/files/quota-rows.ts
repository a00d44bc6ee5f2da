import type { FilesQuota } from '../../sandbox-apis/files/limits.ts';
import type { Db } from '../db/client.ts';
import { writeQuota } from './index-rows.ts';

/** Keeps the quotas in the usage rows those of now; what was written last is remembered, and not written again. */
export class QuotaRows {
  readonly #db: Db;
  readonly #quotaOf: (plugin: string) => FilesQuota;
  readonly #written = new Map<string, FilesQuota>();

  constructor(db: Db, quotaOf: (plugin: string) => FilesQuota) {
    this.#db = db;
    this.#quotaOf = quotaOf;
  }

  /**
   * What the plugin may keep now, which its row says too.
   *
   * @param sure whether the row may be gone: another core may have dropped it
   */
  async keep(plugin: string, sure = false): Promise<FilesQuota> {
    const quota = this.#quotaOf(plugin);
    const last = this.#written.get(plugin);
    if (sure || last?.bytes !== quota.bytes || last.files !== quota.files) {
      await writeQuota(this.#db, plugin, quota);
      this.#written.set(plugin, quota);
    }
    return quota;
  }

  forget(plugin: string): void {
    this.#written.delete(plugin);
  }
}
