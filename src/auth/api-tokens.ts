import { CodedError } from '../../sandbox-apis/_kit/errors.ts';
import type { Db } from '../db/client.ts';
import { audit } from '../permissions/audit.ts';
import { demandSession, holds, type Principal, type Resolved, toRole } from './principal.ts';
import { effectivePermissions } from './roles.ts';
import { API_TOKEN_PREFIX, hashSecret, newApiToken } from './secrets.ts';

const TOUCH_MS = 60_000;
const SHOWN_CHARS = API_TOKEN_PREFIX.length + 4;
const TOKENS_PER_USER = 100;

/** An API token as its owner sees it: without the secret. */
export interface ApiToken {
  readonly id: string;
  readonly name: string;
  /** The first characters of the secret. */
  readonly prefix: string;
  /** What it is narrowed to; null means all that its owner may do. */
  readonly permissions: readonly string[] | null;
  readonly createdAt: string;
  readonly expiresAt: string | null;
  readonly lastUsedAt: string | null;
}

export interface NewApiToken {
  readonly name: string;
  readonly permissions: readonly string[] | null;
  readonly expiresAt: Date | null;
}

export interface ApiTokens {
  /** The principal's own tokens, oldest first. */
  list(owner: Principal): Promise<ApiToken[]>;
  /**
   * Makes a token; its secret is in this answer and nowhere else. Errors: `forbidden` (asked with an API token, or for
   * permissions that the owner lacks), `validation_failed` (expiry has passed), `conflict` (too many).
   */
  create(owner: Principal, token: NewApiToken): Promise<ApiToken & { readonly token: string }>;
  /** Ends one of the principal's own tokens. Errors: `not_found`. */
  revoke(owner: Principal, id: string): Promise<void>;
}

/** @param revoked called with the token's id after it has been committed */
export function createApiTokens(db: Db, revoked: (id: string) => void): ApiTokens {
  return {
    async list(owner) {
      const rows = await db
        .selectFrom('api_tokens')
        .selectAll()
        .where('user_id', '=', owner.userId)
        .orderBy('created_at')
        .execute();
      return rows.map(shown);
    },

    async create(owner, { name, permissions, expiresAt }) {
      demandSession(owner, 'make API tokens');
      const beyond = permissions?.find((permission) => !holds(owner, permission));
      if (beyond !== undefined) {
        throw new CodedError('forbidden', `You do not hold "${beyond}" yourself`, { permission: beyond });
      }
      if (expiresAt !== null && expiresAt.getTime() <= Date.now()) {
        const errors = [{ pointer: '/expiresAt', message: 'It has passed already' }];
        throw new CodedError('validation_failed', 'The token would have expired already', { errors });
      }
      const token = newApiToken();
      const row = await db.transaction().execute(async (trx) => {
        const { count } = await trx
          .selectFrom('api_tokens')
          .where('user_id', '=', owner.userId)
          .select((select) => select.fn.countAll<number>().as('count'))
          .executeTakeFirstOrThrow();
        if (Number(count) >= TOKENS_PER_USER) {
          throw new CodedError('conflict', `You have ${TOKENS_PER_USER} API tokens; revoke one first`);
        }
        const made = await trx
          .insertInto('api_tokens')
          .values({
            user_id: owner.userId,
            name,
            token_hash: hashSecret(token),
            prefix: token.slice(0, SHOWN_CHARS),
            permissions: permissions === null ? null : [...permissions],
            expires_at: expiresAt,
          })
          .returningAll()
          .executeTakeFirstOrThrow();
        const detail = { name, permissions };
        await audit(trx, { actorKind: 'user', actor: owner.userId, action: 'token.created', target: made.id, detail });
        return made;
      });
      return { ...shown(row), token };
    },

    async revoke(owner, id) {
      await db.transaction().execute(async (trx) => {
        const row = await trx
          .deleteFrom('api_tokens')
          .where('id', '=', id)
          .where('user_id', '=', owner.userId)
          .returning('name')
          .executeTakeFirst();
        if (!row) throw new CodedError('not_found', `You have no API token ${id}`);
        const detail = { name: row.name };
        await audit(trx, { actorKind: 'user', actor: owner.userId, action: 'token.revoked', target: id, detail });
      });
      revoked(id);
    },
  };
}

/** The active user behind an API token's hash with what the token allows, or null. */
export async function findApiToken(db: Db, tokenHash: Buffer): Promise<Resolved | null> {
  const now = new Date();
  const row = await db
    .selectFrom('api_tokens as t')
    .innerJoin('users as u', 'u.id', 't.user_id')
    .where('t.token_hash', '=', tokenHash)
    .where((where) => where.or([where('t.expires_at', 'is', null), where('t.expires_at', '>', now)]))
    .where('u.active', '=', true)
    .select(['t.id as credentialId', 't.permissions as scopes', 't.last_used_at', 't.expires_at as expiresAt'])
    .select(['u.id as userId', 'u.email', 'u.name', 'u.role', 'u.permissions'])
    .executeTakeFirst();
  if (!row) return null;
  if (row.last_used_at === null || now.getTime() - row.last_used_at.getTime() > TOUCH_MS) {
    await db.updateTable('api_tokens').set({ last_used_at: now }).where('id', '=', row.credentialId).execute();
  }
  const { credentialId, userId, email, name, scopes, expiresAt } = row;
  const owner = toRole(row.role);
  const held = effectivePermissions(owner, row.permissions);
  const allowed =
    scopes === null
      ? { role: owner, permissions: held }
      : // A token never outlives a permission that was taken from its owner.
        { role: 'user' as const, permissions: scopes.filter((scope) => owner === 'admin' || held.includes(scope)) };
  return { principal: { userId, email, name, ...allowed, via: 'token', credentialId }, expiresAt };
}

function shown(row: {
  id: string;
  name: string;
  prefix: string;
  permissions: string[] | null;
  created_at: Date;
  expires_at: Date | null;
  last_used_at: Date | null;
}): ApiToken {
  return {
    id: row.id,
    name: row.name,
    prefix: row.prefix,
    permissions: row.permissions,
    createdAt: row.created_at.toISOString(),
    expiresAt: row.expires_at?.toISOString() ?? null,
    lastUsedAt: row.last_used_at?.toISOString() ?? null,
  };
}
