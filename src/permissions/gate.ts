import type { CallContract, RoomContract } from '../../sandbox-apis/_kit/contract.ts';
import { capabilityOff, permissionDenied } from '../../sandbox-apis/_kit/errors.ts';
import type { Switches } from './switches.ts';
import type { Uses } from './uses.ts';

export interface GateCaller {
  readonly plugin: string;
  readonly grants: readonly string[];
}

export interface GateDeps {
  readonly switches: Pick<Switches, 'isOff'>;
  readonly uses: Pick<Uses, 'used' | 'refused'>;
}

/** The one yes or no, and the one place that counts which grants are used. */
export interface Gate {
  /**
   * Every call of every plugin passes here, after its input was decoded and before its handler runs.
   *
   * @returns the permission that the call needs, or null
   * @throws CodedError `permission_denied`, which names the permission that is missing, or the capability that an admin
   *   switched off
   */
  check(room: RoomContract, call: CallContract, caller: GateCaller, input: unknown): string | null;
  /** For a handler that learns on its way that it needs one more permission (a redirect to another host). Same errors. */
  permit(room: RoomContract, caller: GateCaller, needed: string): void;
}

export function createGate({ switches, uses }: GateDeps): Gate {
  /** The grant that covers it: of several the last, which is the narrowest, because grants are sorted. */
  function grantFor({ name, allows }: RoomContract, { plugin, grants }: GateCaller, needed: string): string {
    const grant = grants.findLast((given) => (allows === undefined ? given === needed : allows(given, needed)));
    if (grant !== undefined) return grant;
    uses.refused(plugin, name, needed);
    throw permissionDenied(needed);
  }

  function demandOn({ name }: RoomContract, { plugin }: GateCaller, needed: string | null): void {
    if (!switches.isOff(plugin, name)) return;
    uses.refused(plugin, name, needed);
    throw capabilityOff(name, needed);
  }

  return {
    check(room, call, caller, input) {
      const needed = call.needs?.(input as never, caller.plugin) ?? null;
      if (call.registers !== true) demandOn(room, caller, needed);
      uses.used(caller.plugin, room.name, needed === null ? null : grantFor(room, caller, needed));
      return needed;
    },
    permit(room, caller, needed) {
      demandOn(room, caller, needed);
      uses.used(caller.plugin, null, grantFor(room, caller, needed));
    },
  };
}
