import { DatabaseError } from 'pg';
import { CodedError } from '../../sandbox-apis/_kit/errors.ts';
import type { StorageQuota } from '../../sandbox-apis/storage/limits.ts';
import type { Db } from '../db/client.ts';
import type { QuotaRows } from './quota-rows.ts';
import { sweepBatch } from './sweep.ts';

/** SQLSTATEs that a write of plugin_storage ends with (migrations/0004_storage.sql). */
const QUOTA = 'SS001';
const USAGE_GONE = '40001';
const CHECK_VIOLATION = '23514';
const OUT_OF_RANGE = '22003';

/** Batches of expired rows that one write makes room with: more would take longer than its deadline. */
const TRIES = 50;

/**
 * Runs a write, which changes all or nothing, and turns what the database refuses into codes. Over the quota it removes what
 * has expired and tries again, until there is room or nothing left that has expired.
 * @throws CodedError `quota_exceeded`, `invalid_input`, `payload_too_large`
 */
export async function guarded<T>(db: Db, quotas: QuotaRows, plugin: string, write: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries += 1) {
    await quotas.keep(plugin);
    try {
      return await write();
    } catch (error) {
      if (tries === TRIES || !(await mayPass(db, quotas, plugin, error))) throw refusal(error, quotas.of(plugin));
    }
  }
}

async function mayPass(db: Db, quotas: QuotaRows, plugin: string, error: unknown): Promise<boolean> {
  switch (stateOf(error)) {
    case USAGE_GONE:
      quotas.forget(plugin);
      return true;
    case QUOTA:
      return (await sweepBatch(db, plugin)).removed > 0;
    default:
      return false;
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
