import { closeSync, openSync, realpathSync, statSync, unlinkSync, writeSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** Whether every account can read a file: by its mode and those of all folders above it; access lists do not count. */
export function isOpenToAll(path: string): boolean {
  let at = realpathSync(path);
  if ((statSync(at).mode & 0o004) === 0) return false;
  while (at !== dirname(at)) {
    at = dirname(at);
    if ((statSync(at).mode & 0o001) === 0) return false;
  }
  return true;
}

/** A file without a name that holds these bytes; its descriptor stands at the first of them. */
export function privateFile(folder: string, bytes: Uint8Array): { descriptor: number; close: () => void } {
  const path = join(folder, `streamspace-${crypto.randomUUID()}`);
  const descriptor = openSync(path, 'wx+', 0o600);
  unlinkSync(path);
  writeSync(descriptor, bytes, 0, bytes.length, 0);
  return { descriptor, close: () => closeSync(descriptor) };
}
