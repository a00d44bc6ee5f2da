import type { PermissionKind } from '../_kit/contract.ts';

/** What every call of the room needs. */
export const PERMISSION = 'database';

export const KIND: PermissionKind = {
  pattern: PERMISSION,
  example: PERMISSION,
  describe: () =>
    'Keep tables in a PostgreSQL database of its own on this server, which no other plugin can see and which is limited in size',
};
