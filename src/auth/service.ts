import { sql } from 'kysely';
import { CodedError } from '../../sandbox-apis/_kit/errors.ts';
import type { Config } from '../config.ts';
import type { Db } from '../db/client.ts';
import type { publish } from '../events/publish.ts';
import type { Log } from '../log.ts';
import { audit } from '../permissions/audit.ts';
import { normalEmail, type PublicUser, publicUser, type UserRow } from '../users/public-user.ts';
import { type ApiTokens, createApiTokens } from './api-tokens.ts';
import { type SessionCookie, sessionCookie } from './cookies.ts';
import { createLoginLimits } from './login-limits.ts';
import { createPasswordCheck, hashPassword } from './passwords.ts';
import { demandSession, type Principal } from './principal.ts';
import { PrincipalCache } from './principal-cache.ts';
import { createResolver, type Resolver } from './resolve.ts';
import { csrfTokenOf } from './secrets.ts';
import { endSessions, openSession, type SessionOrigin } from './session-store.ts';

export interface AuthDeps {
  readonly db: Db;
  readonly config: Pick<Config, 'publicUrl'>;
  readonly log: Log;
  readonly publish: typeof publish;
  /** How long (ms) a principal is remembered at most; 5 s unless it is given. */
  readonly rememberMs?: number;
}

export interface SignedIn {
  readonly token: string;
  readonly user: PublicUser;
  readonly csrfToken: string;
}

/** Who is who: sign-in, sessions, API tokens, and the principal of a request. */
export interface Auth extends Resolver {
  readonly cookie: SessionCookie;
  readonly tokens: ApiTokens;
  /** Scheme, host and port under which browsers reach the core; null when PUBLIC_URL is not set. */
  readonly publicOrigin: string | null;
  /** Opens a session. Errors: `invalid_credentials`, `rate_limited` (extra: `retryAfter`). */
  login(email: string, password: string, origin: SessionOrigin): Promise<SignedIn>;
  /** Ends the session. Errors: `forbidden` for an API token, which is revoked instead. */
  logout(principal: Principal): Promise<void>;
  /**
   * Changes the principal's own password and ends their other sessions; API tokens stay, they do not hang on it. Errors:
   * `invalid_credentials` (current password), `rate_limited`, `forbidden` for an API token.
   */
  changePassword(principal: Principal, current: string, next: string, ip: string): Promise<void>;
  /** Forgets what is remembered about a user. Call it after each change to one has been committed. */
  forgetUser(userId: string): void;
  /** Forgets what is remembered of a session or an API token; of everybody without one. */
  forgetCredential(id?: string): void;
}

export function createAuth({ db, config, log, publish, rememberMs }: AuthDeps): Auth {
  const cache = new PrincipalCache(Date.now, rememberMs);
  const publicOrigin = config.publicUrl === null ? null : new URL(config.publicUrl).origin;
  const cookie = sessionCookie(publicOrigin?.startsWith('https:') ?? false);
  const limits = createLoginLimits();
  const passwordMatches = createPasswordCheck();
  const forgetUser = (userId: string) => cache.invalidate((principal) => principal.userId === userId);
  const forgetCredential = (id?: string) =>
    cache.invalidate((principal) => id === undefined || principal.credentialId === id);

  /** Checks a password under the login limits; every failure counts and is written down. */
  const check = async (row: UserRow | undefined, email: string, password: string, ip: string): Promise<UserRow> => {
    await limits.attempt(ip, email);
    const matches = await passwordMatches(password, row?.password_hash ?? null);
    if (row && matches && row.active) {
      await limits.succeeded(ip, email);
      return row;
    }
    log.warn({ event: 'login.failed', ip }, 'a sign-in failed');
    const actor = row ? { actorKind: 'user' as const, actor: row.id } : { actorKind: 'system' as const, actor: 'auth' };
    await audit(db, { ...actor, action: 'login.failed', target: email, detail: { ip } });
    throw new CodedError('invalid_credentials');
  };

  return {
    ...createResolver({ db, cache, cookie, publicOrigin }),
    cookie,
    publicOrigin,
    tokens: createApiTokens(db, forgetCredential),
    forgetUser,
    forgetCredential,

    async login(sentEmail, password, origin) {
      const email = normalEmail(sentEmail);
      const found = await db.selectFrom('users').selectAll().where(sql`lower(email)`, '=', email).executeTakeFirst();
      const { id, password_hash } = await check(found, email, password, origin.ip);
      return db.transaction().execute(async (trx) => {
        const row = await trx
          .updateTable('users')
          .set({ last_login_at: new Date() })
          .where('id', '=', id)
          .where('active', '=', true)
          .where('password_hash', '=', password_hash)
          .returningAll()
          .executeTakeFirst();
        // Deleted, deactivated or given another password since its password was checked.
        if (!row) throw new CodedError('invalid_credentials');
        const token = await openSession(trx, id, origin);
        const user = publicUser(row);
        await publish(trx, { name: 'user.login', data: user });
        await audit(trx, { actorKind: 'user', actor: id, action: 'user.login', detail: { ip: origin.ip } });
        return { token, user, csrfToken: csrfTokenOf(token) };
      });
    },

    async logout(principal) {
      demandSession(principal, 'sign out');
      const { userId, credentialId } = principal;
      await db.transaction().execute(async (trx) => {
        const ended = await trx
          .deleteFrom('auth_sessions')
          .where('id', '=', credentialId)
          .returning('id')
          .executeTakeFirst();
        const row = await trx.selectFrom('users').selectAll().where('id', '=', userId).executeTakeFirst();
        // Ended by somebody else a moment ago: then it was announced there, or the user is gone.
        if (!ended || !row) return;
        await publish(trx, { name: 'user.logout', data: publicUser(row) });
        await audit(trx, { actorKind: 'user', actor: userId, action: 'user.logout' });
      });
      forgetCredential(credentialId);
    },

    async changePassword(principal, current, next, ip) {
      demandSession(principal, 'change the password');
      const { userId, credentialId } = principal;
      const row = await db.selectFrom('users').selectAll().where('id', '=', userId).executeTakeFirst();
      await check(row, principal.email, current, ip);
      const passwordHash = await hashPassword(next);
      await db.transaction().execute(async (trx) => {
        const changed = await trx
          .updateTable('users')
          .set({ password_hash: passwordHash, updated_at: new Date() })
          .where('id', '=', userId)
          .returningAll()
          .executeTakeFirstOrThrow();
        await endSessions(trx, userId, credentialId);
        await publish(trx, { name: 'user.updated', data: publicUser(changed) });
        await audit(trx, { actorKind: 'user', actor: userId, action: 'user.password_changed', target: userId });
      });
      forgetUser(userId);
    },
  };
}
