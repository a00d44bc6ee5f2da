import { DatabaseError } from 'pg';
import { CodedError } from '../../sandbox-apis/_kit/errors.ts';
import type { StorageQuota } from '../../sandbox-apis/storage/limits.ts';
import type { Db } from '../db/client.ts';
import { sweepExpired } from './sweep.ts';

/** SQLSTATEs that a write of plugin_storage ends with (migrations/0004_storage.sql). */
const QUOTA = 'SS001';
const USAGE_GONE = '40001';
const CHECK_VIOLATION = '23514';
const OUT_OF_RANGE = '22003';

/**
 * Runs a write and turns what the database refuses into codes. Over the quota it first makes room by removing what has
 * expired, and tries once more.
 * @throws CodedError `quota_exceeded`, `invalid_input`, `payload_too_large`
 */
export async function guarded<T>(
  db: Db,
  plugin: string,
  quotaOf: (plugin: string) => StorageQuota,
  write: () => Promise<T>,
): Promise<T> {
  try {
    return await write();
  } catch (error) {
    const again = stateOf(error) === USAGE_GONE || (stateOf(error) === QUOTA && (await sweepExpired(db, plugin)) > 0);
    if (!again) throw refusal(error, quotaOf(plugin));
  }
  try {
    return await write();
  } catch (error) {
    throw refusal(error, quotaOf(plugin));
  }
}

function refusal(error: unknown, quota: StorageQuota): unknown {
  switch (stateOf(error)) {
    case QUOTA:
      return overQuota((error as Error).message, quota);
    case CHECK_VIOLATION:
      return new CodedError('payload_too_large', 'value: its numbers take more than 1 MiB when they are written out');
    case OUT_OF_RANGE:
      return new CodedError('invalid_input', 'by: the sum is beyond what a number can be');
    default:
      return error;
  }
}

function overQuota(message: string, { bytes, keys }: StorageQuota): CodedError {
  const extra = message.endsWith('keys') ? { limit: 'storageKeys', max: keys } : { limit: 'storageBytes', max: bytes };
  const text = `storage: ${message} (${extra.limit}); delete keys or ask for more`;
  return new CodedError('quota_exceeded', text, { ...extra, resetsAt: null });
}

function stateOf(error: unknown): string | undefined {
  return error instanceof DatabaseError ? error.code : undefined;
}
