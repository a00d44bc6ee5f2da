import { CodedError } from '../../sandbox-apis/_kit/errors.ts';

/** The text that is kept with a failed delivery or run: what was thrown may be anything, and Postgres stores no NUL. */
export function describeFailure(error: unknown): string {
  const text = error instanceof CodedError ? `${error.code}: ${error.message}` : String(error);
  return text.replaceAll('\0', '').toWellFormed().slice(0, 2_000);
}
