import { mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { readSecretFile, secretFile, syncFolder } from '../secret-file.ts';
import { decodeKey, encodeKey, KEY_BYTES } from './key-text.ts';

/** The key in the data folder, and the one that is to follow it while a rotation is under way. */
export interface KeyFiles {
  /** Where the key is, for people. */
  readonly path: string;
  /** Null when there is none. @throws Error when it is no key, or others than the owner may read it */
  read(): Uint8Array | null;
  readNext(): Uint8Array | null;
  /** The key; a new one when there is none yet. It survives a power cut. */
  make(): Uint8Array;
  /** Makes the next key, or answers the one that is there already; it survives a power cut. */
  makeNext(): Uint8Array;
  /** The next key is the key from now on; the one before is gone. One rename: nobody finds none. */
  promoteNext(): void;
  dropNext(): void;
}

const NAME = 'secret.key';
/** What `secretFile` left when it was killed: another name of a key, or a key that never was one. */
const DRAFT = /^secret\.key(\.next)?\.[0-9a-f]{8}-[0-9a-f-]{27}$/;

/** `secret.key` and `secret.key.next`, both with mode 0600. Only for who holds the lock on the data folder. */
export function createKeyFiles(dataDir: string): KeyFiles {
  mkdirSync(dataDir, { recursive: true, mode: 0o711 });
  for (const name of readdirSync(dataDir)) if (DRAFT.test(name)) rmSync(join(dataDir, name), { force: true });
  const path = join(dataDir, NAME);
  const next = `${path}.next`;
  const read = (file: string): Uint8Array | null => {
    const text = readSecretFile(file);
    return text === null ? null : keyOf(file, text);
  };
  const make = (file: string): Uint8Array => {
    const text = secretFile(file, () => encodeKey(crypto.getRandomValues(new Uint8Array(KEY_BYTES))));
    syncFolder(dataDir);
    return keyOf(file, text);
  };
  return {
    path,
    read: () => read(path),
    readNext: () => read(next),
    make: () => make(path),
    makeNext: () => make(next),
    promoteNext() {
      renameSync(next, path);
      syncFolder(dataDir);
    },
    dropNext() {
      rmSync(next, { force: true });
      syncFolder(dataDir);
    },
  };
}

function keyOf(file: string, text: string): Uint8Array {
  const key = decodeKey(text);
  if (typeof key === 'string') throw new Error(`${file} is no key: ${key}`);
  return key;
}
