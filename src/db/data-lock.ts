import { Database } from 'bun:sqlite';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export interface DataLock {
  release(): void;
}

/** Another core works on the data folder. */
export class DataLockError extends Error {
  /** As that core wrote it down; null when it has not yet. */
  readonly pid: number | null;

  constructor(dataDir: string, pid: number | null) {
    const holder = pid === null ? 'another process' : `the process ${pid}`;
    super(`${dataDir} is in use by ${holder}: stop it, or set DATA_DIR to another folder`);
    this.name = 'DataLockError';
    this.pid = pid;
  }
}

/** Referenced here, so that no lock ends by garbage collection. */
const held = new Set<Database>();

/**
 * Locks the data folder for this process. The lock is the kernel's, on the file `core.lock` (through SQLite, whose
 * exclusive transaction it is): it ends with the process, however that ends, so there is no stale lock to judge, and no
 * pid that might be another process by now. `core.pid` only tells people who holds it.
 *
 * @throws DataLockError that names the holder
 */
export function lockDataDir(dataDir: string): DataLock {
  mkdirSync(dataDir, { recursive: true, mode: 0o711 });
  const pidPath = join(dataDir, 'core.pid');
  const file = new Database(join(dataDir, 'core.lock'), { create: true, readwrite: true });
  try {
    file.run('pragma busy_timeout = 0');
    file.run('begin exclusive');
  } catch (error) {
    file.close();
    if ((error as { code?: unknown }).code !== 'SQLITE_BUSY') throw error;
    throw new DataLockError(dataDir, readPid(pidPath));
  }
  held.add(file);
  writeFileSync(pidPath, `${process.pid}\n`);
  return {
    release: () => {
      if (held.delete(file)) file.close();
    },
  };
}

function readPid(path: string): number | null {
  try {
    return Number.parseInt(readFileSync(path, 'utf8'), 10) || null;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}
