import { CodedError } from '../../sandbox-apis/_kit/errors.ts';

export type Role = 'admin' | 'user';

/** Who a request acts for: a signed-in user, seen through the credential that was sent. */
export interface Principal {
  readonly userId: string;
  readonly email: string;
  readonly name: string;
  /** `user` for an API token with scopes, whoever made it: a narrowed token is never an admin. */
  readonly role: Role;
  /** What the credential allows: of the role and the user, narrowed by a token's scopes. Not needed by an admin. */
  readonly permissions: readonly string[];
  /** How the credential came: session token as bearer, API token as bearer, session token as cookie. */
  readonly via: 'session' | 'token' | 'cookie';
  /** Id of the auth session or API token. */
  readonly credentialId: string;
}

/** A credential that was found good: whom it stands for, and when it ends by itself. */
export interface Resolved {
  readonly principal: Principal;
  readonly expiresAt: Date | null;
}

/** The role as the database has it (its check constraint allows no other). */
export function toRole(role: string): Role {
  return role === 'admin' ? 'admin' : 'user';
}

/** True when the principal is an admin or holds exactly that permission. Pure. */
export function holds(principal: Principal, permission: string): boolean {
  return principal.role === 'admin' || principal.permissions.includes(permission);
}

/** Throws `forbidden` (extra: `permission`) unless the principal holds the permission. */
export function demand(principal: Principal, permission: string): void {
  if (holds(principal, permission)) return;
  throw new CodedError('forbidden', `Your account lacks the permission "${permission}"`, { permission });
}

/** Throws `forbidden` unless the principal is an admin. */
export function demandAdmin(principal: Principal): void {
  if (principal.role === 'admin') return;
  throw new CodedError('forbidden', 'Only an admin may do this', { permission: 'admin' });
}

/** Throws `forbidden` for API tokens: what they may do must not outlive their revocation. */
export function demandSession(principal: Principal, act: string): void {
  if (principal.via !== 'token') return;
  throw new CodedError('forbidden', `An API token cannot ${act}; sign in instead`);
}
