import { CodedError } from '../../sandbox-apis/_kit/errors.ts';
import type { FilesQuota } from '../../sandbox-apis/files/limits.ts';
import type { FileInfo, NewFile } from '../../sandbox-apis/files/service.ts';
import type { Db } from '../db/client.ts';
import { newKey } from './backend.ts';
import type { Backends } from './backends.ts';
import { claimBlob, reserve } from './blob-rows.ts';
import { fileChanged } from './changed.ts';
import { findFile, holds, nameBlob } from './index-rows.ts';
import { Intake } from './intake.ts';
import { BLOB_LIMITS } from './limits.ts';
import type { QuotaRows } from './quota-rows.ts';
import { guarded, overQuota } from './refusals.ts';
import type { BlobSweep } from './sweep.ts';

export interface UploadDeps {
  readonly db: Db;
  readonly backends: Backends;
  readonly sweep: BlobSweep;
  readonly quotas: Pick<QuotaRows, 'keep'>;
}

/** One content on its way into a plugin's files. */
export interface Upload {
  readonly plugin: string;
  readonly path: string;
  readonly content: Uint8Array | ReadableStream<Uint8Array>;
  readonly file: NewFile;
  readonly signal: AbortSignal;
}

/**
 * Writes the blob first, under a key of its own, then the row of the index in one statement: whatever breaks off in
 * between leaves the old file, and a blob that the sweep finds.
 */
export async function upload(deps: UploadDeps, { plugin, path, content, file, signal }: Upload): Promise<FileInfo> {
  const { db, backends, sweep } = deps;
  const before = await findFile(db, plugin, path);
  if (!holds(file, before?.sha256 ?? null)) throw fileChanged(path, before?.sha256 ?? null);
  const quota = await deps.quotas.keep(plugin);
  const { name, backend } = backends.forWriting(plugin);
  const size = content instanceof Uint8Array ? content.length : file.size;
  const blob = { plugin, key: newKey(), backend: name, bytes: size ?? 0, spare: before?.size ?? 0 };
  await withRoom(deps, plugin, quota, () => claimBlob(db, blob));
  let reserved = blob.bytes;
  let come = 0;
  const intake = new Intake(content, {
    size,
    signal,
    async onBytes(bytes) {
      come += bytes;
      const missing = come - reserved;
      if (missing <= 0) return;
      const ahead = Math.ceil(Math.min(come * BLOB_LIMITS.aheadShare, BLOB_LIMITS.aheadBytes));
      const more = Math.max(missing, ahead);
      if (more > missing && (await reserve(db, blob, more))) reserved += more;
      else {
        await withRoom(deps, plugin, quota, () => reserve(db, blob, missing));
        reserved += missing;
      }
    },
  });
  try {
    await backend.put(blob.key, intake.stream, { size, signal });
    const result = intake.result();
    const stored = result === null ? null : await backend.stat(blob.key);
    if (result === null || stored?.size !== result.size) {
      throw new CodedError('service_failed', `What keeps the files (${name}) did not keep all of the content`, {
        backend: name,
      });
    }
    signal.throwIfAborted();
    const named = await guarded(quota, () => nameBlob(db, plugin, path, { key: blob.key, ...result }, file));
    if (named === null) throw await whyNot(db, plugin, path, file);
    if (named.replaced) await sweep.quietly(plugin);
    return named.info;
  } catch (error) {
    await sweep.quietly(plugin, blob.key);
    if (signal.aborted) throw signal.reason;
    throw intake.failure ?? error;
  }
}

/** Asks for room; when there is none, removes what nobody has and asks once more. @throws CodedError `quota_exceeded` */
async function withRoom(
  { sweep, quotas }: UploadDeps,
  plugin: string,
  quota: FilesQuota,
  ask: () => Promise<boolean>,
): Promise<void> {
  if (await guarded(quota, ask)) return;
  await quotas.keep(plugin, true);
  await sweep.quietly(plugin);
  if (!(await guarded(quota, ask))) throw overQuota('filesBytes', quota);
}

/** Another was faster, or the blob was given up because it took too long. */
async function whyNot(db: Db, plugin: string, path: string, file: NewFile): Promise<CodedError> {
  const now = await findFile(db, plugin, path);
  if (!holds(file, now?.sha256 ?? null)) return fileChanged(path, now?.sha256 ?? null);
  return new CodedError('aborted', 'The content took too long, and was given up');
}
