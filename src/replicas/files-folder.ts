import { existsSync, linkSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { sql } from 'kysely';
import type { Db } from '../db/client.ts';
import type { Log } from '../log.ts';
import { REPLICA_LIMITS } from './limits.ts';
import { ReplicaRefused } from './refused.ts';

/** Names the folder; no blob is called so. */
const MARKER = '.streamspace-folder';
const ID = /^[0-9a-f-]{36}$/;

/** What names a folder, the same for all cores that share it. It is made when there is none. */
export function folderId(folder: string): string {
  const marker = join(folder, MARKER);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  if (!existsSync(marker)) make(folder, marker);
  const id = readFileSync(marker, 'utf8').trim();
  if (ID.test(id)) return id;
  throw new Error(`${marker} is not what StreamSpace wrote: remove it, and start again`);
}

function make(folder: string, marker: string): void {
  const id = crypto.randomUUID();
  const whole = join(folder, `${MARKER}-${id}`);
  writeFileSync(whole, id, { mode: 0o600 });
  try {
    // Of two cores that make it at once one wins, and nobody reads half of it.
    linkSync(whole, marker);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  } finally {
    rmSync(whole);
  }
}

/** A folder of files. */
export interface FilesFolder {
  readonly id: string;
  readonly path: string;
  /** Whether new files go there. */
  readonly used: boolean;
}

/**
 * Looks whether the cores that live keep their files in the same folder.
 *
 * @throws ReplicaRefused when they do not and there are files on disks; while there are none it is only said in the log
 */
export async function assertSharedFiles(db: Db, log: Log, { id, path, used }: FilesFolder): Promise<void> {
  const { rows } = await sql<{ others: number; blobs: boolean }>`
    select count(*)::integer as others, exists (select from plugin_blobs where backend = 'local') as blobs
    from replicas
    where files_folder <> ${id}
      and seen_at > clock_timestamp() - ${REPLICA_LIMITS.goneMs}::float8 * interval '1 ms'`.execute(db);
  const { others = 0, blobs = false } = rows[0] ?? {};
  if (others === 0) return;
  const problem =
    `${others} other cores on this database keep the files of plugins in another folder than ${path}: each would miss ` +
    'those of the others. Set STREAMSPACE_FILES_DIR to a folder that all of them share, or keep files with a plugin ' +
    '(STREAMSPACE_FILES_BACKEND=plugin:<name>)';
  if (blobs) throw new ReplicaRefused(problem);
  if (used) log.warn({ folder: path, others }, `${problem}; there are no files yet`);
}
