import type { Config } from '../config.ts';
import type { Db } from '../db/client.ts';
import type { publish } from '../events/publish.ts';
import type { Log } from '../log.ts';
import { audit } from '../permissions/audit.ts';
import { lockAdmins } from '../users/admins.ts';
import { normalEmail, publicUser } from '../users/public-user.ts';
import { hashPassword, randomPassword } from './passwords.ts';

export interface FirstAdminDeps {
  readonly db: Db;
  readonly config: Pick<Config, 'adminEmail' | 'adminPassword'>;
  readonly log: Log;
  readonly publish: typeof publish;
}

/**
 * Makes the first admin when there is no user yet (SPEC 12.1); replicas that start together make one.
 *
 * @returns the configured email, and the password if it was made up just now: show it once, it is stored nowhere
 */
export async function ensureFirstAdmin({ db, config, log, publish }: FirstAdminDeps): Promise<{
  readonly email: string;
  readonly password: string | null;
}> {
  const email = normalEmail(config.adminEmail);
  const anyUser = db.selectFrom('users').select('id').limit(1);
  if (await anyUser.executeTakeFirst()) return { email, password: null };
  const password = config.adminPassword ?? randomPassword();
  const passwordHash = await hashPassword(password);
  const made = await db.transaction().execute(async (trx) => {
    await lockAdmins(trx);
    if (await trx.selectFrom('users').select('id').limit(1).executeTakeFirst()) return false;
    const row = await trx
      .insertInto('users')
      .values({ email, name: 'Administrator', role: 'admin', password_hash: passwordHash })
      .returningAll()
      .executeTakeFirstOrThrow();
    await publish(trx, { name: 'user.created', data: publicUser(row) });
    await audit(trx, {
      actorKind: 'system',
      actor: 'start',
      action: 'user.created',
      target: row.id,
      detail: { email },
    });
    return true;
  });
  if (!made) return { email, password: null };
  log.info({ email }, 'made the first admin');
  return { email, password: config.adminPassword === null ? password : null };
}
