import { DatabaseError } from 'pg';
import { CodedError } from '../../sandbox-apis/_kit/errors.ts';
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
export async function guarded<T>(db: Db, plugin: string, write: () => Promise<T>): Promise<T> {
  try {
    return await write();
  } catch (error) {
    const again = stateOf(error) === USAGE_GONE || (stateOf(error) === QUOTA && (await sweepExpired(db, plugin)) > 0);
    if (!again) throw refusal(error);
  }
  try {
    return await write();
  } catch (error) {
    throw refusal(error);
  }
}

function refusal(error: unknown): unknown {
  switch (stateOf(error)) {
    case QUOTA:
      return new CodedError('quota_exceeded', `storage: ${(error as Error).message}; delete keys or ask for more`);
    case CHECK_VIOLATION:
      return new CodedError('payload_too_large', 'value: its numbers take more than 1 MiB when they are written out');
    case OUT_OF_RANGE:
      return new CodedError('invalid_input', 'by: the sum is beyond what a number can be');
    default:
      return error;
  }
}

function stateOf(error: unknown): string | undefined {
  return error instanceof DatabaseError ? error.code : undefined;
}
