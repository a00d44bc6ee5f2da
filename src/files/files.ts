import { CodedError } from '../../sandbox-apis/_kit/errors.ts';
import { FILE_LIMITS, type FilesQuota } from '../../sandbox-apis/files/limits.ts';
import type { ByteRange } from '../../sandbox-apis/files/range.ts';
import type { FileConditions, FileInfo, FilesService } from '../../sandbox-apis/files/service.ts';
import type { Db, Trx } from '../db/client.ts';
import type { Log } from '../log.ts';
import type { Backends } from './backends.ts';
import { fileChanged } from './changed.ts';
import { copyRow, deleteRow, type FileRow, findFile, holds, infoOf, lockUsage, moveRow } from './index-rows.ts';
import { listFiles } from './list-rows.ts';
import { outletOf } from './outlet.ts';
import { QuotaRows } from './quota-rows.ts';
import { guarded } from './refusals.ts';
import { BlobSweep } from './sweep.ts';
import { Transfers } from './transfers.ts';
import { upload } from './upload.ts';

export interface FilesDeps {
  readonly db: Db;
  readonly log: Log;
  readonly backends: Backends;
  /** What a plugin may keep at the moment; what is over it stays, but grows no more. */
  readonly quotaOf: (plugin: string) => FilesQuota;
  /** Milliseconds that a content waits for its reader. */
  readonly idleMs?: number;
}

export interface FilesUsage extends FilesQuota {
  readonly maxBytes: number;
  readonly maxFiles: number;
}

export interface Files extends FilesService {
  /** What the plugin's files add up to, and its quota. */
  usage(plugin: string): Promise<FilesUsage>;
  /** Removes all files of a plugin from the index; `sweep` then removes the blobs that nobody has any more. */
  dropPlugin(plugin: string, trx: Trx): Promise<void>;
  /** Removes blobs that nobody has, of one plugin or of all; answers how many. */
  sweep(plugin?: string): Promise<number>;
}

type Content = Uint8Array | ReadableStream<Uint8Array>;

/** The files of all plugins: an index in Postgres, and immutable blobs in a backend. */
export function createFiles(deps: FilesDeps): Files {
  const { db, log, backends, quotaOf, idleMs = FILE_LIMITS.idleMs } = deps;
  const sweep = new BlobSweep({ db, log, backends });
  const quotas = new QuotaRows(db, quotaOf);
  const transfers = new Transfers(FILE_LIMITS.transfers);

  /** The content of a row, or of a part of it; null when its blob is gone. */
  async function read(plugin: string, row: FileRow, range: ByteRange | null): Promise<Content | null> {
    const end = transfers.begin(plugin);
    try {
      const source = await backends.of(row.backend).get(row.blob, range);
      if (source === null) {
        end();
        return null;
      }
      const size = range?.length ?? row.size;
      const sha256 = range === null ? row.sha256 : null;
      const onDamage = (what: string) => damaged(plugin, row, what);
      const stream = outletOf(source, { size, sha256, idleMs, onDamage, onEnd: end });
      return size > FILE_LIMITS.inlineGet ? stream : await new Response(stream).bytes();
    } catch (error) {
      end();
      throw error;
    }
  }

  function damaged(plugin: string, { path, blob, backend }: FileRow, what: string): CodedError {
    const errorId = crypto.randomUUID();
    log.error({ errorId, plugin, path, blob, backend, what }, 'a stored file is damaged');
    return new CodedError('file_corrupted', `What is stored of the file "${path}" is damaged: ${what}`, { errorId });
  }

  async function transfer(
    plugin: string,
    write: () => Promise<FileInfo | null>,
    to: string,
    conditions: FileConditions,
  ): Promise<FileInfo | null> {
    const info = await guarded(await quotas.keep(plugin), write);
    if (info === null) {
      await demandConditions(plugin, to, conditions);
      return null;
    }
    await sweep.quietly(plugin);
    return info;
  }

  /** @throws CodedError `file_changed` when the conditions do not hold for what is there now */
  async function demandConditions(plugin: string, path: string, conditions: FileConditions): Promise<void> {
    const now = await findFile(db, plugin, path);
    if (!holds(conditions, now?.sha256 ?? null)) throw fileChanged(path, now?.sha256 ?? null);
  }

  return {
    async put(plugin, path, content, file, signal) {
      const end = transfers.begin(plugin);
      try {
        return await upload({ db, backends, sweep, quotas }, { plugin, path, content, file, signal });
      } finally {
        end();
      }
    },

    async get(plugin, path, choose) {
      let missed: FileRow | null = null;
      for (;;) {
        const row = await findFile(db, plugin, path);
        if (row === null) return null;
        // It may have been replaced since its row was read; the blob of one and the same row is not gone by that.
        if (row.blob === missed?.blob) throw damaged(plugin, row, 'its content is gone');
        const info = infoOf(row);
        const chosen = choose(info);
        if (chosen === 'head') return { info, range: null, content: null };
        const content = row.size === 0 ? new Uint8Array(0) : await read(plugin, row, chosen);
        if (content !== null) return { info, range: chosen, content };
        missed = row;
      }
    },

    async stat(plugin, path) {
      const row = await findFile(db, plugin, path);
      return row === null ? null : infoOf(row);
    },

    list: (plugin, page) => listFiles(db, plugin, page, FILE_LIMITS.pageBytes),

    async delete(plugin, path, conditions) {
      if (await guarded(quotaOf(plugin), () => deleteRow(db, plugin, path, conditions))) {
        await sweep.quietly(plugin);
        return true;
      }
      await demandConditions(plugin, path, conditions);
      return false;
    },

    copy: (plugin, from, to, conditions) =>
      transfer(plugin, () => copyRow(db, plugin, from, to, conditions), to, conditions),

    move: (plugin, from, to, conditions) => {
      const write = () => db.transaction().execute((trx) => moveRow(trx, plugin, from, to, conditions));
      return transfer(plugin, write, to, conditions);
    },

    async usage(plugin) {
      const quota = quotaOf(plugin);
      const used = await db
        .selectFrom('plugin_files_usage')
        .select(['bytes', 'files'])
        .where('plugin_name', '=', plugin)
        .executeTakeFirst();
      return { bytes: used?.bytes ?? 0, files: used?.files ?? 0, maxBytes: quota.bytes, maxFiles: quota.files };
    },

    async dropPlugin(plugin, trx) {
      quotas.forget(plugin);
      await lockUsage(trx, plugin);
      await trx.deleteFrom('plugin_files').where('plugin_name', '=', plugin).execute();
      await trx.deleteFrom('plugin_files_usage').where('plugin_name', '=', plugin).execute();
    },

    sweep: (plugin) => (plugin === undefined ? sweep.all() : sweep.plugin(plugin)),
  };
}
