import { sql } from 'kysely';
import type { Db } from '../db/client.ts';
import { newKey } from '../files/backend.ts';
import type { Backends } from '../files/backends.ts';
import { none, putBlob } from './blob-load.ts';
import { damaged } from './failures.ts';
import type { Section } from './sections.ts';
import type { StagedFile } from './staging.ts';

/** Minutes in which a content has to be written, and then get its file: after that a sweep removes it. */
const LEASE_MINUTES = 24 * 60;

/** Writes contents of a backup under keys of their own; what does not become a file's the sweep removes. */
export class BlobImport {
  readonly #db: Db;
  readonly #backends: Pick<Backends, 'forWriting'>;
  readonly #plugin: string;
  /** New keys by those of the backup. */
  readonly keys = new Map<string, string>();

  constructor(db: Db, backends: Pick<Backends, 'forWriting'>, plugin: string) {
    this.#db = db;
    this.#backends = backends;
    this.#plugin = plugin;
  }

  async take({ name, content }: Section, file: StagedFile): Promise<void> {
    await this.#put(file, content, name);
  }

  /** The archive has no parts of an empty one. */
  async empty(file: StagedFile): Promise<void> {
    await this.#put(file, none(), 'an empty file');
  }

  /** Lets go of what was written: a sweep removes it. */
  async giveUp(): Promise<void> {
    await sql`
      update plugin_blobs set due_at = now()
      where key = any (${[...this.keys.values()]}::text[]) and names = 0`.execute(this.#db);
  }

  async #put(file: StagedFile, content: AsyncIterable<Uint8Array>, what: string): Promise<void> {
    const key = newKey();
    const { name, backend } = this.#backends.forWriting(this.#plugin);
    await sql`
      insert into plugin_files_usage (plugin_name, max_bytes, max_files) values (${this.#plugin}, 0, 0)
      on conflict (plugin_name) do nothing`.execute(this.#db);
    await sql`
      insert into plugin_blobs (key, plugin_name, backend, bytes, due_at)
      values (${key}, ${this.#plugin}, ${name}, 0, now() + ${LEASE_MINUTES} * interval '1 minute')`.execute(this.#db);
    this.keys.set(file.blob, key);
    await putBlob(backend, key, file, content, (reason) => damaged(`${what}: ${reason}`));
    await sql`update plugin_blobs set state = 'kept', bytes = ${file.size} where key = ${key}`.execute(this.#db);
  }
}
