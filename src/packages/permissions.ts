import type { PermissionKind } from '../../sandbox-apis/_kit/contract.ts';

/** Permissions of SPEC 3 whose room is not in this version: a manifest may name them, and an admin may grant them. */
export const PLATFORM_PERMISSIONS: readonly PermissionKind[] = [
  word('sessions:read', 'See workspace sessions and who they belong to, and hear of their events'),
  word('sessions:write', 'Start, stop, hibernate, change and delete workspace sessions'),
  word('users:read', 'See the accounts of users, and hear of their events'),
  word('users:write', 'Create, change and delete the accounts of users'),
  word('templates:read', 'See the workspace templates, and hear of their events'),
  word('templates:write', 'Create, change and delete workspace templates'),
  word('infrastructure:read', 'See the nodes of the cluster and their load'),
  word('infrastructure:write', 'Label, taint, cordon and scale the nodes of the cluster'),
  word('auth:provide', 'Sign users in on behalf of the platform'),
  word('overrides', 'Answer the core endpoints that the manifest lists under "overrides"'),
];

function word(permission: string, sentence: string): PermissionKind {
  return { pattern: permission, example: permission, describe: () => sentence };
}

/** Verb first, as older plugins write it. */
const VERB_FIRST = /^(read|write):([a-z]+)$/;

/** The one spelling of a permission: `read:sessions` becomes `sessions:read`. */
export function normalisePermission(permission: string): string {
  return permission.replace(VERB_FIRST, '$2:$1');
}
