import type { CallContract, RoomContract } from '../../sandbox-apis/_kit/contract.ts';
import { permissionDenied } from '../../sandbox-apis/_kit/errors.ts';

export interface GateCaller {
  readonly plugin: string;
  readonly grants: readonly string[];
}

/**
 * The one yes or no: every call of every plugin passes here, after its input was decoded and before its handler runs.
 *
 * @throws CodedError `permission_denied`, which names the permission that is missing
 */
export function checkGate(room: RoomContract, call: CallContract, caller: GateCaller, input: unknown): void {
  const needed = call.needs?.(input as never, caller.plugin) ?? null;
  if (needed === null) return;
  const { allows } = room;
  const granted = caller.grants.some((grant) => (allows === undefined ? grant === needed : allows(grant, needed)));
  if (!granted) throw permissionDenied(needed);
}
