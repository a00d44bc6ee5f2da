import { type Config, ConfigError } from '../config.ts';
import { createKeyFiles, type KeyFiles } from './key-files.ts';

/** Where the keys of this process come from. */
export type KeySource = FileSource | EnvironmentSource;

export interface FileSource {
  readonly kind: 'file';
  readonly files: KeyFiles;
  /** All that there are. */
  read(): readonly Uint8Array[];
}

export interface EnvironmentSource {
  readonly kind: 'environment';
  readonly key: Uint8Array;
  /** Of before, or of after: a key that is not to seal, unless the database says that it does. */
  readonly previous: Uint8Array | null;
  /** The key of the data folder, which counts for nothing beside them, but may be what somebody looks for. */
  leftInFolder(): Uint8Array | null;
  read(): readonly Uint8Array[];
}

/**
 * The environment's keys when it has any, else those of the data folder.
 *
 * @throws ConfigError when a file is not a key, or others than its owner may read it
 */
export function keySource({ dataDir, secretKey, secretKeyPrevious }: KeyConfig): KeySource {
  if (secretKey === null) {
    const files = reported(dataDir, () => createKeyFiles(dataDir));
    const read = () => reported(dataDir, () => [files.read(), files.readNext()]).filter((key) => key !== null);
    return { kind: 'file', files, read };
  }
  return {
    kind: 'environment',
    key: secretKey,
    previous: secretKeyPrevious,
    leftInFolder: () => reported(dataDir, () => createKeyFiles(dataDir).read()),
    read: () => (secretKeyPrevious === null ? [secretKey] : [secretKey, secretKeyPrevious]),
  };
}

type KeyConfig = Pick<Config, 'dataDir' | 'secretKey' | 'secretKeyPrevious'>;

function reported<T>(dataDir: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new ConfigError(new Map([['DATA_DIR', `the secret key in ${dataDir} cannot be used: ${reason}`]]));
  }
}
