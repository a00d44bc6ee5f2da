import type { DbAddress } from '../../src/db/client.ts';
import { closeDb, createDb } from '../../src/db/client.ts';
import { createLog } from '../../src/log.ts';
import type { KeyFiles } from '../../src/secrets/key-files.ts';
import { type FileSource, keySource } from '../../src/secrets/key-source.ts';
import { openKeys } from '../../src/secrets/open-keys.ts';
import { createRotation } from '../../src/secrets/rotation.ts';

/** What the process is told, as JSON in its first argument. */
export interface RotationOrder {
  readonly address: DbAddress;
  readonly dataDir: string;
  /** At which of its steps (from 1) it kills itself; beyond the last it does its work. */
  readonly dieAt: number;
}

/** Opens the keys as a start does, rotates, and counts its steps, at one of which it dies as a machine does. */
async function main({ address, dataDir, dieAt }: RotationOrder): Promise<void> {
  let step = 0;
  const stepOn = (): void => {
    step += 1;
    if (step === dieAt) process.kill(process.pid, 'SIGKILL');
  };
  const around =
    <T>(work: () => T) =>
    (): T => {
      stepOn();
      const done = work();
      stepOn();
      return done;
    };
  const source = keySource({ dataDir, secretKey: null, secretKeyPrevious: null }) as FileSource;
  const files: KeyFiles = {
    ...source.files,
    makeNext: around(source.files.makeNext),
    promoteNext: around(source.files.promoteNext),
    dropNext: around(source.files.dropNext),
  };
  const log = createLog('fatal');
  const db = createDb({ address, max: 4, log });
  const watched: FileSource = { ...source, files };
  const ring = await openKeys({ db, log, source: watched });
  await createRotation({ db, log, ring, source: watched, onProgress: stepOn }).rotate(
    '00000000-0000-4000-8000-000000000000',
  );
  await closeDb(db);
  console.log(JSON.stringify({ steps: step, keyId: ring.id }));
}

await main(JSON.parse(process.argv[2] ?? '') as RotationOrder);
