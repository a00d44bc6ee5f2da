import type { Role } from './principal.ts';

/** What each role may do without being given it by name. Admins hold every permission, so theirs is not listed. */
export const ROLE_PERMISSIONS: Readonly<Record<Role, readonly string[]>> = {
  admin: [],
  user: [
    // A workspace cannot be chosen without seeing what there is to start.
    'templates:read',
  ],
};

/** `resource:action`, where plugins may name resources of their own: lower-case parts, 128 characters at most. */
export const PERMISSION_PATTERN = '^[a-z][a-z0-9_.-]*(:[a-z0-9_.*-]+)+$';
export const PERMISSION_MAX_LENGTH = 128;
export const PERMISSIONS_MAX = 100;

/** The permissions that a user's role and own list give together, each once. Pure. */
export function effectivePermissions(role: Role, own: readonly string[]): readonly string[] {
  return [...new Set([...ROLE_PERMISSIONS[role], ...own])];
}
