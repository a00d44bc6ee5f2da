import type { Db } from '../../src/db/client.ts';
import { createLog } from '../../src/log.ts';
import type { EnvironmentSource } from '../../src/secrets/key-source.ts';
import type { Keyring } from '../../src/secrets/keys.ts';
import { openKeys } from '../../src/secrets/open-keys.ts';

/** A key of one byte 32 times. */
export function keyOf(byte: number): Uint8Array {
  return new Uint8Array(32).fill(byte);
}

/** As STREAMSPACE_SECRET_KEY and STREAMSPACE_SECRET_KEY_PREVIOUS would give them. */
export function environmentKeys(key: Uint8Array, previous: Uint8Array | null = null): EnvironmentSource {
  const read = () => (previous === null ? [key] : [key, previous]);
  return { kind: 'environment', key, previous, leftInFolder: () => null, read };
}

/** The keys of an instance on that database, as its start opens them. */
export function openTestKeys(db: Db, source = environmentKeys(keyOf(7))): Promise<Keyring> {
  return openKeys({ db, log: createLog('error'), source });
}
