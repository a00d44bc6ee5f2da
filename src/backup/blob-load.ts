import { sql } from 'kysely';
import type { CodedError } from '../../sandbox-apis/_kit/errors.ts';
import type { Db } from '../db/client.ts';
import type { BlobBackend } from '../files/backend.ts';
import { checkedContent } from './blobs.ts';
import { damaged } from './failures.ts';
import type { Section } from './sections.ts';

interface Expected {
  readonly size: number;
  readonly sha256: string;
}

/** Puts contents of files back where the restored index expects them. */
export class BlobLoad {
  readonly #db: Db;
  readonly #backend: BlobBackend;
  #loaded = 0;

  constructor(db: Db, backend: BlobBackend) {
    this.#db = db;
    this.#backend = backend;
  }

  /** Takes a section `blobs/<key>`. @throws CodedError `backup_damaged` when no file has it, or it is another content */
  async take({ name, content }: Section): Promise<void> {
    const key = name.slice('blobs/'.length);
    const { rows } = await sql<Expected>`
      select size, sha256 from plugin_files where blob = ${key} limit 1`.execute(this.#db);
    const [expected] = rows;
    if (expected === undefined) throw damaged(`it has ${name}, and no file of that content`);
    await putBlob(this.#backend, key, expected, content, (what) => damaged(`${name}: ${what}`));
    this.#loaded += 1;
  }

  /** Puts the empty ones, which the archive has no parts of, and counts. @throws CodedError `backup_damaged` */
  async finish(): Promise<void> {
    const { rows } = await sql<{ blob: string; size: number }>`
      select distinct blob, size from plugin_files where size = 0`.execute(this.#db);
    for (const { blob } of rows) await putBlob(this.#backend, blob, EMPTY, none(), () => damaged('an empty file'));
    const { rows: counted } = await sql<{ count: number }>`
      select count(distinct blob) as count from plugin_files where size > 0`.execute(this.#db);
    const missing = (counted[0]?.count ?? 0) - this.#loaded;
    if (missing !== 0) throw damaged(`the contents of ${missing} files are missing`);
  }
}

export const EMPTY: Expected = {
  size: 0,
  sha256: 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
};

export async function* none(): AsyncGenerator<Uint8Array> {}

/** Writes a content that has to be what is expected of it. */
export async function putBlob(
  backend: BlobBackend,
  key: string,
  expected: Expected,
  content: AsyncIterable<Uint8Array>,
  failure: (what: string) => CodedError,
): Promise<void> {
  const chunks = checkedContent(expected, content, failure);
  let wrong: unknown = null;
  const stream = new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        try {
          const { done, value } = await chunks.next();
          if (done) controller.close();
          else controller.enqueue(value);
        } catch (error) {
          wrong = error;
          throw error;
        }
      },
    },
    { highWaterMark: 0 },
  );
  try {
    await backend.put(key, stream, { size: expected.size, signal: new AbortController().signal });
  } catch (error) {
    await backend.delete(key);
    throw wrong ?? error;
  }
}
