import { CodedError } from '../../sandbox-apis/_kit/errors.ts';
import type { Db } from '../db/client.ts';
import type { Log } from '../log.ts';
import { exclusively, readKeyRow } from './key-row.ts';
import type { KeySource } from './key-source.ts';
import type { Keyring } from './keys.ts';
import { type Moved, moveTo, settleFiles } from './open-keys.ts';
import { countSealed } from './sealed-tables.ts';

export interface KeyStatus {
  readonly keyId: string;
  readonly source: KeySource['kind'];
  /** Sealed values. */
  readonly values: number;
  /** ISO 8601; null for the first key. */
  readonly rotatedAt: string | null;
  /** Of the rotation that this process is at. */
  readonly rotating: { readonly done: number; readonly values: number } | null;
}

export interface Rotation {
  status(): Promise<KeyStatus>;
  /**
   * Makes a new key and seals everything with it. Whatever ends it early leaves the key as it was, or is finished by the
   * next start.
   *
   * @param userId who asks, for the audit log
   * @throws CodedError `conflict`: one is under way, others go on writing secrets, or the key is the environment's to give
   */
  rotate(userId: string): Promise<Moved>;
  /** Learns what other processes did, and ends what could not be ended at once. Call it now and then. */
  refresh(): Promise<void>;
}

export interface RotationDeps {
  readonly db: Db;
  readonly log: Log;
  readonly ring: Keyring;
  readonly source: KeySource;
  /** Hears how many values are done. */
  readonly onProgress?: (done: number) => void;
}

/** Changes the key of the data folder. The one of the environment changes with a start (`openKeys`). */
export function createRotation({ db, log, ring, source, onProgress }: RotationDeps): Rotation {
  let rotating: { done: number; values: number } | null = null;

  async function change(userId: string): Promise<Moved> {
    if (source.kind === 'environment') {
      throw new CodedError(
        'conflict',
        'The key is that of STREAMSPACE_SECRET_KEY: set that to a new one (openssl rand -base64 32) and STREAMSPACE_SECRET_KEY_PREVIOUS to the present one, and start again',
      );
    }
    const { files } = source;
    // What an earlier one left when it could not reach the database.
    await settleFiles(db, files, log);
    const target = ring.add(files.makeNext());
    try {
      return await exclusively(db, async (trx, row) => {
        if (row === null || row.keyId !== ring.id) throw new CodedError('conflict', 'The key has changed: try again');
        return moveTo(trx, ring, row, target, {
          actor: userId,
          onProgress: (done) => {
            if (rotating !== null) rotating.done = done;
            onProgress?.(done);
          },
        });
      });
    } finally {
      // Also when the connection was lost while it committed: only the database knows.
      await settle().catch((error: unknown) =>
        log.error({ err: error }, 'whether the key was rotated cannot be told yet; trying again'),
      );
    }
  }

  async function settle(): Promise<void> {
    if (source.kind === 'file' && source.files.readNext() !== null) await settleFiles(db, source.files, log);
    await ring.refresh(db);
  }

  return {
    async status() {
      const row = await readKeyRow(db);
      const counts = await countSealed(db);
      return {
        keyId: row?.keyId ?? ring.id,
        source: source.kind,
        values: [...counts.values()].reduce((sum, count) => sum + count, 0),
        rotatedAt: row?.rotatedAt?.toISOString() ?? null,
        rotating: rotating === null ? null : { ...rotating },
      };
    },

    async rotate(userId) {
      if (rotating !== null) throw new CodedError('conflict', 'A rotation of the key is under way');
      rotating = { done: 0, values: 0 };
      try {
        rotating.values = [...(await countSealed(db)).values()].reduce((sum, count) => sum + count, 0);
        const moved = await change(userId);
        ring.use(moved.keyId, [moved.previousKeyId]);
        log.info({ ...moved }, 'the key was rotated');
        return moved;
      } finally {
        rotating = null;
      }
    },

    async refresh() {
      if (rotating === null) await settle();
    },
  };
}
