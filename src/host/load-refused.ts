import type { GoneReason } from '../../runtime/protocol/messages.ts';
import { CodedError } from '../../sandbox-apis/_kit/errors.ts';
import type { decodeGuestError } from './decode.ts';

export function hostGone(reason: string): CodedError {
  return new CodedError('plugin_unavailable', `The isolate host is gone: ${reason}`, { retryAfter: 1 });
}

/** The isolate could not be made, or the bundle's top level threw. */
export class LoadRefused extends Error {
  readonly reason: GoneReason;
  readonly guest: ReturnType<typeof decodeGuestError> | null;
  constructor(reason: GoneReason, message: string, guest: ReturnType<typeof decodeGuestError> | null) {
    super(message);
    this.name = 'LoadRefused';
    this.reason = reason;
    this.guest = guest;
  }
}
