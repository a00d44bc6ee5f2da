import { sql } from 'kysely';
import { CodedError } from '../../sandbox-apis/_kit/errors.ts';
import type { Trx } from '../db/client.ts';

/** Any fixed number that no other advisory lock uses; "admi" in ASCII. */
const ADMINS_LOCK = 0x61646d69;

/** Lets one transaction at a time, on any replica, change who is an admin. Held until it ends. */
export async function lockAdmins(trx: Trx): Promise<void> {
  await sql`select pg_advisory_xact_lock(${ADMINS_LOCK})`.execute(trx);
}

/** Refuses a change after which nobody could administer the platform. Hold `lockAdmins`. Errors: `conflict`. */
export async function assertNotLastAdmin(trx: Trx, userId: string): Promise<void> {
  const other = await trx
    .selectFrom('users')
    .select('id')
    .where('role', '=', 'admin')
    .where('active', '=', true)
    .where('id', '!=', userId)
    .limit(1)
    .executeTakeFirst();
  if (!other) throw new CodedError('conflict', 'This is the last active admin; make another user an admin first');
}
