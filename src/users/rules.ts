import { CodedError } from '../../sandbox-apis/_kit/errors.ts';
import { demand, holds, type Principal, type Role } from '../auth/principal.ts';
import { effectivePermissions } from '../auth/roles.ts';

/** Whom a change is about, as far as the rules look. */
export interface Target {
  readonly role: Role;
  readonly permissions: readonly string[];
}

/**
 * Refuses to let somebody manage a user who can do more than they can: resetting that user's password would be a way up.
 * Errors: `forbidden`.
 */
export function assertMayManage(actor: Principal, target: Target): void {
  demand(actor, 'users:write');
  if (actor.role === 'admin') return;
  if (target.role === 'admin') throw new CodedError('forbidden', 'Only an admin may change an admin');
  assertHoldsAll(actor, effectivePermissions(target.role, target.permissions), 'change a user who has');
}

/** Refuses to give, or take, what the actor does not hold. Errors: `forbidden`. */
export function assertMayGrant(actor: Principal, before: Target, after: Target): void {
  if (actor.role === 'admin') return;
  if (before.role !== after.role) throw new CodedError('forbidden', 'Only an admin may set a role');
  const changed = [
    ...after.permissions.filter((permission) => !before.permissions.includes(permission)),
    ...before.permissions.filter((permission) => !after.permissions.includes(permission)),
  ];
  assertHoldsAll(actor, changed, 'give or take');
}

function assertHoldsAll(actor: Principal, permissions: readonly string[], act: string): void {
  const missing = permissions.find((permission) => !holds(actor, permission));
  if (missing === undefined) return;
  throw new CodedError('forbidden', `You cannot ${act} "${missing}": you do not hold it yourself`, {
    permission: missing,
  });
}
