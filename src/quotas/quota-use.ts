import { CodedError } from '../../sandbox-apis/_kit/errors.ts';

/** One limit of a plugin and what is used of it. */
export interface QuotaUse {
  /** Its name in the manifest, such as `cpuMsPerMinute` or `hostCallsPerMinute.fetch`. */
  readonly limit: string;
  readonly max: number;
  /** Null for a limit of a single call, and for what only the plugin's isolate counts. */
  readonly used: number | null;
  /** ISO 8601; null when it is not counted by time, or nothing was used. */
  readonly resetsAt: string | null;
}

/** What a plugin is told that used up a limit. */
export function quotaExceeded(plugin: string, { limit, max, resetsAt }: Omit<QuotaUse, 'used'>): CodedError {
  const when = resetsAt === null ? 'it is free again when some of it ends' : `it resets at ${resetsAt}`;
  const message = `The limit ${limit} of ${plugin} (${max}) is used up; ${when}`;
  return new CodedError('quota_exceeded', message, { limit, max, resetsAt });
}
