import { CHANNEL_LIMITS } from '../protocol/limits.ts';
import type { GuestError } from '../protocol/messages.ts';

/** An error of the host's own, as it may be told to the core: no stack, no path of this machine. */
export function plainError(error: unknown): GuestError {
  const name = error instanceof Error ? error.name : 'Error';
  const text = error instanceof Error ? error.message : String(error);
  return { name, message: text.slice(0, CHANNEL_LIMITS.errorMessageChars), stack: '', code: null };
}
