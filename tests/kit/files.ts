import { createHash } from 'node:crypto';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sql } from 'kysely';
import { DEFAULT_FILES_QUOTA, type FilesQuota } from '../../sandbox-apis/files/limits.ts';
import type { FileInfo, NewFile } from '../../sandbox-apis/files/service.ts';
import type { BlobBackend } from '../../src/files/backend.ts';
import { type BackendName, createBackends } from '../../src/files/backends.ts';
import { createFiles, type Files } from '../../src/files/files.ts';
import { createLocalBackend } from '../../src/files/local-backend.ts';
import { createLog } from '../../src/log.ts';
import { testDatabase } from './postgres.ts';

export interface FilesBench extends AsyncDisposable {
  readonly db: Awaited<ReturnType<typeof testDatabase>>['db'];
  readonly files: Files;
  readonly local: BlobBackend;
  /** Folder of the local backend. */
  readonly folder: string;
  readonly quotas: Map<string, FilesQuota>;
  /** What was logged at warn and above. */
  readonly logged: readonly Record<string, unknown>[];
  put(plugin: string, path: string, content: Content, options?: PutOptions): Promise<FileInfo>;
  text(plugin: string, path: string): Promise<string | null>;
  /** Keys of the blobs that are on the disk, and names of what is on its way there. */
  blobs(): Promise<string[]>;
  /** What the tables say of a plugin, added up anew, beside what they count. */
  counted(plugin: string): Promise<{ counts: object; sums: object }>;
}

type Content = string | Uint8Array | ReadableStream<Uint8Array>;
type PutOptions = Partial<NewFile> & { readonly signal?: AbortSignal };

/** The files of the core over a database of their own and a folder that goes with it. */
export async function filesBench(
  options: {
    wrap?: (local: BlobBackend) => BlobBackend;
    chosen?: BackendName;
    others?: Map<string, BlobBackend>;
    idleMs?: number;
  } = {},
): Promise<FilesBench> {
  const { wrap = (backend) => backend, chosen = 'local', others = new Map<string, BlobBackend>(), idleMs } = options;
  const database = await testDatabase();
  const { db } = database;
  const folder = await mkdtemp(join(tmpdir(), 'streamspace-files-'));
  const quotas = new Map<string, FilesQuota>();
  const logged: Record<string, unknown>[] = [];
  const local = createLocalBackend(folder);
  const ofPlugin = (plugin: string): BlobBackend => {
    const found = others.get(plugin);
    if (found === undefined) throw new Error(`${plugin} provides nothing`);
    return found;
  };
  const files = createFiles({
    db,
    log: createLog('warn', { write: (line) => logged.push(JSON.parse(line)) }),
    backends: createBackends({ chosen, local: wrap(local), ofPlugin }),
    quotaOf: (plugin) => quotas.get(plugin) ?? DEFAULT_FILES_QUOTA,
    ...(idleMs === undefined ? {} : { idleMs }),
  });
  return {
    db,
    files,
    local,
    folder,
    quotas,
    logged,
    put(plugin, path, content, given = {}) {
      const file = { contentType: 'text/plain', metadata: {}, size: null, ...given };
      const bytes = typeof content === 'string' ? new TextEncoder().encode(content) : content;
      return files.put(plugin, path, bytes, file, given.signal ?? new AbortController().signal);
    },
    async text(plugin, path) {
      const found = await files.get(plugin, path, () => null);
      return found === null ? null : new Response(found.content as BodyInit).text();
    },
    async blobs() {
      const names = await readdir(folder, { recursive: true });
      return names.filter((name) => /[0-9a-f]{32}$/.test(name)).sort();
    },
    async counted(plugin) {
      const { rows } = await sql<{ counts: object; sums: object }>`
        select
          (select jsonb_build_array(bytes, files, unnamed_bytes) from plugin_files_usage where plugin_name = ${plugin}) as counts,
          jsonb_build_array(
            (select coalesce(sum(size), 0) from plugin_files where plugin_name = ${plugin}),
            (select count(*) from plugin_files where plugin_name = ${plugin}),
            (select coalesce(sum(bytes), 0) from plugin_blobs
             where plugin_name = ${plugin} and names = 0 and state <> 'doomed')) as sums`.execute(db);
      return rows[0] as { counts: object; sums: object };
    },
    async [Symbol.asyncDispose]() {
      await database.drop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** A stream of so many bytes, in pieces, each different. */
export function streamOf(bytes: number, piece = 65_536): ReadableStream<Uint8Array> {
  let at = 0;
  return new ReadableStream<Uint8Array>(
    {
      pull(controller) {
        const length = Math.min(piece, bytes - at);
        if (length > 0) controller.enqueue(new Uint8Array(length).fill((at / piece) & 0xff));
        at += length;
        if (at >= bytes) controller.close();
      },
    },
    { highWaterMark: 0 },
  );
}

export function sha256(content: string | Uint8Array): string {
  return createHash('sha256').update(content).digest('hex');
}
