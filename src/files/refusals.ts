import { DatabaseError } from 'pg';
import { CodedError } from '../../sandbox-apis/_kit/errors.ts';
import type { FilesQuota } from '../../sandbox-apis/files/limits.ts';
import { BLOB_LIMITS } from './limits.ts';

/** SQLSTATEs that a write of plugin_files ends with (migrations/0012_files.sql). */
const QUOTA = 'SS001';
const LOST: readonly (string | undefined)[] = ['40001', '40P01'];

/**
 * Runs a write, again when it lost against another, and turns what the database refuses into codes.
 * @throws CodedError `quota_exceeded`
 */
export async function guarded<T>(quota: FilesQuota, write: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await write();
    } catch (error) {
      const state = error instanceof DatabaseError ? error.code : undefined;
      if (state === QUOTA)
        throw overQuota((error as Error).message.endsWith('files') ? 'filesCount' : 'filesBytes', quota);
      if (!LOST.includes(state) || tries === BLOB_LIMITS.tries) throw error;
    }
  }
}

export function overQuota(limit: 'filesBytes' | 'filesCount', quota: FilesQuota): CodedError {
  const max = limit === 'filesBytes' ? quota.bytes : quota.files;
  const unit = limit === 'filesBytes' ? 'bytes' : 'files';
  const text = `files: over the quota of ${max} ${unit} (${limit}); delete files or ask for more`;
  return new CodedError('quota_exceeded', text, { limit, max, resetsAt: null });
}
