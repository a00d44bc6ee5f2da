import { createHash } from 'node:crypto';
import { chmodSync, chownSync, lstatSync, mkdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ProcessUser } from './launcher.ts';

export const SOCKET_PORT = 5432;
/** What fits into `sun_path` on each platform: 103 bytes on macOS, 107 on Linux. */
const MAX_SOCKET_PATH = 103;

/**
 * The folder of the server's socket, mode 0700: `run` beside the data, or when that path is too long for a socket, one
 * under the system's temporary folder whose name derives from it.
 *
 * @throws Error when someone else's folder is in that place
 */
export function makeSocketDir(root: string, user: ProcessUser): string {
  const beside = join(root, 'run');
  if (fits(beside)) return makePrivate(beside, user);
  const name = `streamspace-${createHash('sha256').update(root).digest('hex').slice(0, 16)}`;
  const elsewhere = join(tmpdir(), name);
  if (!fits(elsewhere))
    throw new Error(`${root} and ${tmpdir()} are too long for a unix socket: choose a shorter DATA_DIR`);
  return makePrivate(elsewhere, user);
}

function fits(folder: string): boolean {
  return Buffer.byteLength(join(folder, `.s.PGSQL.${SOCKET_PORT}`)) <= MAX_SOCKET_PATH;
}

function makePrivate(path: string, { uid, gid }: ProcessUser): string {
  try {
    mkdirSync(path, { mode: 0o700 });
    chmodSync(path, 0o700);
    chownSync(path, uid, gid);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
  const stat = lstatSync(path);
  if (!stat.isDirectory() || stat.uid !== uid || (stat.mode & 0o777) !== 0o700) {
    throw new Error(`${path} is not a folder of uid ${uid} with mode 0700: remove it`);
  }
  return path;
}
