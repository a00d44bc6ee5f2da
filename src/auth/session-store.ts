import type { Db, Trx } from '../db/client.ts';
import { type Resolved, toRole } from './principal.ts';
import { effectivePermissions } from './roles.ts';
import { hashSecret, newSessionToken } from './secrets.ts';

const DAY_MS = 24 * 60 * 60 * 1000;
/** A session that nobody used for so long ends: a week spans a weekend and a day off. */
export const SESSION_IDLE_MS = 7 * DAY_MS;
/** A session in daily use ends after so long, so that a stolen one does not live for ever. */
export const SESSION_MAX_MS = 30 * DAY_MS;
/** How often use is written down: exact enough for a limit of days, and a busy session writes once a minute. */
const TOUCH_MS = 60_000;

/** Where a session was opened from, shown to its user. */
export interface SessionOrigin {
  readonly ip: string;
  readonly userAgent: string | null;
}

/** Opens a session for a user and answers its token, which is not stored; expired ones of anybody go. */
export async function openSession(trx: Trx, userId: string, { ip, userAgent }: SessionOrigin): Promise<string> {
  const token = newSessionToken();
  await trx.deleteFrom('auth_sessions').where('expires_at', '<', new Date()).execute();
  await trx
    .insertInto('auth_sessions')
    .values({
      token_hash: hashSecret(token),
      user_id: userId,
      expires_at: new Date(Date.now() + SESSION_IDLE_MS),
      ip,
      user_agent: userAgent?.slice(0, 300) ?? null,
    })
    .execute();
  return token;
}

/**
 * The active user behind a session token's hash, or null; use moves the session's end forward (sliding expiry). The caller
 * says how the token came.
 */
export async function findSession(db: Db, tokenHash: Buffer, via: 'session' | 'cookie'): Promise<Resolved | null> {
  const now = Date.now();
  const row = await db
    .selectFrom('auth_sessions as s')
    .innerJoin('users as u', 'u.id', 's.user_id')
    .where('s.token_hash', '=', tokenHash)
    .where('s.expires_at', '>', new Date(now))
    .where('u.active', '=', true)
    .select(['s.id as credentialId', 's.created_at', 's.last_seen_at', 's.expires_at'])
    .select(['u.id as userId', 'u.email', 'u.name', 'u.role', 'u.permissions'])
    .executeTakeFirst();
  if (!row) return null;
  const { credentialId, userId, email, name } = row;
  const role = toRole(row.role);
  const permissions = effectivePermissions(role, row.permissions);
  const principal = { userId, email, name, role, permissions, via, credentialId };
  if (now - row.last_seen_at.getTime() < TOUCH_MS) return { principal, expiresAt: row.expires_at };
  const expiresAt = new Date(Math.min(now + SESSION_IDLE_MS, row.created_at.getTime() + SESSION_MAX_MS));
  await db
    .updateTable('auth_sessions')
    .set({ last_seen_at: new Date(now), expires_at: expiresAt })
    .where('token_hash', '=', tokenHash)
    .execute();
  return { principal, expiresAt };
}

/** Ends a user's sessions, but the one given if any. */
export async function endSessions(db: Db | Trx, userId: string, except?: string): Promise<void> {
  const all = db.deleteFrom('auth_sessions').where('user_id', '=', userId);
  await (except === undefined ? all : all.where('id', '!=', except)).execute();
}
