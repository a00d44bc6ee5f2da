import {
  chmodSync,
  closeSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname } from 'node:path';

/**
 * Reads the secret text at `path`; when there is none yet, keeps what `make` gives, with mode 0600. Processes that race
 * for it all get the same text: it is linked into place whole, and the first link wins.
 *
 * @throws Error when others than the owner may read the file
 */
export function secretFile(path: string, make: () => string): string {
  const existing = readSecretFile(path);
  if (existing !== null) return existing;
  mkdirSync(dirname(path), { recursive: true, mode: 0o711 });
  const draft = `${path}.${crypto.randomUUID()}`;
  try {
    writeFileSync(draft, `${make()}\n`, { mode: 0o600, flag: 'wx', flush: true });
    chmodSync(draft, 0o600);
    linkSync(draft, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  } finally {
    rmSync(draft, { force: true });
  }
  const kept = readSecretFile(path);
  if (kept === null) throw new Error(`${path} was removed while it was being made`);
  return kept;
}

/** Reads the secret text at `path`, without the final newline; null when there is no such file. */
export function readSecretFile(path: string): string | null {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat === undefined) return null;
  if ((stat.mode & 0o077) !== 0) {
    throw new Error(`${path} can be read by other users; allow only its owner: chmod 600 ${path}`);
  }
  return readFileSync(path, 'utf8').trimEnd();
}

/** Makes the names in a folder survive a power cut. */
export function syncFolder(path: string): void {
  const descriptor = openSync(path, 'r');
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}
