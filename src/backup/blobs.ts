import { createHash } from 'node:crypto';
import type pg from 'pg';
import { CodedError } from '../../sandbox-apis/_kit/errors.ts';
import type { BlobBackend } from '../files/backend.ts';
import type { ArchiveWriter } from './archive-writer.ts';
import { reasonOf } from './failures.ts';

/** A content that files have, as the index knows it. */
export interface BlobRow {
  readonly key: string;
  readonly backend: string;
  readonly size: number;
  readonly sha256: string;
  /** One of the files that have it. */
  readonly plugin: string;
  readonly path: string;
}

/** Rows that are fetched at a time. */
const FETCH = 500;

/**
 * Keeps every blob from being removed until the session ends: the sweep passes locked rows by. To be called before the
 * snapshot is taken whose files are to be read.
 */
export async function holdBlobs(session: pg.Client, plugin: string | null): Promise<void> {
  await session.query('begin');
  await session.query(
    `select count(*) from (select from plugin_blobs where state = 'kept' and ($1::text is null or plugin_name = $1)
       for key share) as held`,
    [plugin],
  );
}

/** The contents of all files but those of `without`, in the snapshot of the session; each once. */
export async function* blobRows(
  session: pg.Client,
  plugin: string | null,
  without: readonly string[],
): AsyncGenerator<BlobRow> {
  await session.query(
    `declare backup_blobs no scroll cursor for
     select distinct on (f.blob) f.blob as key, b.backend, f.size, f.sha256, f.plugin_name as plugin, f.path
     from plugin_files f join plugin_blobs b on b.key = f.blob
     where ($1::text is null or f.plugin_name = $1) and f.plugin_name <> all ($2) order by f.blob`,
    [plugin, without],
  );
  for (;;) {
    const { rows } = await session.query<BlobRow>(`fetch ${FETCH} from backup_blobs`);
    yield* rows;
    if (rows.length < FETCH) break;
  }
  await session.query('close backup_blobs');
}

/**
 * Writes a content as `blobs/<key>`.
 * @throws CodedError `backup_failed` that names the file when it is not there, or not what the index says
 */
export async function writeBlob(row: BlobRow, backend: BlobBackend, archive: ArchiveWriter): Promise<void> {
  if (row.size === 0) return;
  const content = await backend.get(row.key, null).catch((error: unknown) => {
    throw damagedFile(row, `it cannot be read (${reasonOf(error)})`);
  });
  if (content === null) throw damagedFile(row, 'its content is gone');
  await archive.parts(
    `blobs/${row.key}`,
    checkedContent(row, content, (what) => damagedFile(row, what)),
  );
}

/** The chunks, and at their end an error when they are not what the index says. */
export async function* checkedContent(
  { size, sha256 }: Pick<BlobRow, 'size' | 'sha256'>,
  content: AsyncIterable<Uint8Array>,
  failure: (what: string) => Error,
): AsyncGenerator<Uint8Array> {
  const hash = createHash('sha256');
  let bytes = 0;
  for await (const chunk of content) {
    bytes += chunk.byteLength;
    if (bytes > size) throw failure(`it is longer than ${size} bytes`);
    hash.update(chunk);
    yield chunk;
  }
  if (bytes !== size) throw failure(`it has ${bytes} bytes in place of ${size}`);
  if (hash.digest('hex') !== sha256) throw failure('its digest is another');
}

function damagedFile({ plugin, path }: BlobRow, what: string): CodedError {
  return new CodedError('backup_failed', `The file ${path} of the plugin ${plugin} is damaged: ${what}`, {
    plugin,
    path,
  });
}
