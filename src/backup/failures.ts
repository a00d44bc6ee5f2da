import { CodedError } from '../../sandbox-apis/_kit/errors.ts';

/** The archive is not what was written: cut off, changed, or no backup at all. */
export function damaged(what: string, extra: Readonly<Record<string, unknown>> = {}): CodedError {
  return new CodedError('backup_damaged', `The backup is damaged: ${what}`, extra);
}

/** The backup is whole, and does not fit this program or this database. */
export function incompatible(what: string): CodedError {
  return new CodedError('backup_incompatible', what);
}

/** What to show of an error of any kind, in one line. */
export function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
