import type { Updateable } from 'kysely';
import { CodedError } from '../../sandbox-apis/_kit/errors.ts';
import { hashPassword } from '../auth/passwords.ts';
import { type Principal, type Role, toRole } from '../auth/principal.ts';
import type { Db, Trx } from '../db/client.ts';
import type { Users as UsersTable } from '../db/tables.ts';
import type { publish } from '../events/publish.ts';
import { audit } from '../permissions/audit.ts';
import { assertNotLastAdmin, lockAdmins } from './admins.ts';
import { normalEmail, type PublicUser, publicUser, type UserRow } from './public-user.ts';
import { assertMayGrant, assertMayManage } from './rules.ts';

export interface UsersDeps {
  readonly db: Db;
  readonly publish: typeof publish;
  /** Called after a change has been committed: whatever is remembered about the user is stale. */
  readonly changed: (userId: string) => void;
}

export interface NewUser {
  readonly email: string;
  readonly name: string;
  readonly password: string;
  readonly role: Role;
  readonly permissions: readonly string[];
}

export interface UserChange {
  readonly email?: string;
  readonly name?: string;
  readonly password?: string;
  readonly role?: Role;
  readonly permissions?: readonly string[];
  readonly active?: boolean;
}

export interface UserPage {
  readonly items: readonly PublicUser[];
  readonly total: number;
  readonly page: number;
  readonly limit: number;
}

export interface Users {
  /** Users by email, `limit` a page (from 1); `search` is found in email or name, whatever its case. */
  list(query: { page: number; limit: number; search?: string }): Promise<UserPage>;
  /** Errors: `not_found`. */
  get(id: string): Promise<PublicUser>;
  /** Errors: `forbidden` (would give what the actor does not hold), `conflict` (email taken). */
  create(actor: Principal, user: NewUser): Promise<PublicUser>;
  /** Errors: `forbidden`, `not_found`, `conflict` (email taken, last admin). */
  update(actor: Principal, id: string, change: UserChange): Promise<PublicUser>;
  /** Errors: `forbidden`, `not_found`, `conflict` (last admin). */
  remove(actor: Principal, id: string): Promise<void>;
}

/** Users with the rules of who may change whom; each change commits together with its event and audit entry. */
export function createUsers({ db, publish, changed }: UsersDeps): Users {
  return {
    async list({ page, limit, search }) {
      // Escaped for LIKE: a search for "_" is not a search for anything.
      const like = search === undefined ? null : `%${search.replaceAll(/[\\%_]/g, '\\$&')}%`;
      const found =
        like === null
          ? db.selectFrom('users')
          : db
              .selectFrom('users')
              .where((where) => where.or([where('email', 'ilike', like), where('name', 'ilike', like)]));
      const rows = await found
        .selectAll()
        .orderBy('email')
        .limit(limit)
        .offset((page - 1) * limit)
        .execute();
      const { total } = await found
        .select((select) => select.fn.countAll<string>().as('total'))
        .executeTakeFirstOrThrow();
      return { items: rows.map(publicUser), total: Number(total), page, limit };
    },

    async get(id) {
      const row = await db.selectFrom('users').selectAll().where('id', '=', id).executeTakeFirst();
      if (!row) throw unknownUser(id);
      return publicUser(row);
    },

    async create(actor, { email, name, password, role, permissions }) {
      assertMayManage(actor, { role: 'user', permissions: [] });
      assertMayGrant(actor, { role: 'user', permissions: [] }, { role, permissions });
      const values = {
        email: normalEmail(email),
        name,
        password_hash: await hashPassword(password),
        role,
        permissions: [...permissions],
      };
      return db.transaction().execute(async (trx) => {
        const row = await emailTaken(trx.insertInto('users').values(values).returningAll().executeTakeFirstOrThrow());
        return announce(trx, 'user.created', actor, row, { email: row.email, role });
      });
    },

    async update(actor, id, change) {
      const own = actor.userId === id;
      if (own && change.password !== undefined) {
        throw new CodedError('forbidden', 'Change your own password with POST /api/auth/password');
      }
      const passwordHash = change.password === undefined ? undefined : await hashPassword(change.password);
      const user = await db.transaction().execute(async (trx) => {
        if (change.role !== undefined || change.active !== undefined) await lockAdmins(trx);
        const before = await takeRow(trx, id);
        const after = { role: change.role ?? before.role, permissions: change.permissions ?? before.permissions };
        if (!(own && actor.via !== 'token' && onlyName(change))) {
          assertMayManage(actor, before);
          assertMayGrant(actor, before, after);
        }
        const active = change.active ?? before.active;
        if (before.role === 'admin' && before.active && !(after.role === 'admin' && active)) {
          await assertNotLastAdmin(trx, id);
        }
        if (passwordHash !== undefined || !active)
          await trx.deleteFrom('auth_sessions').where('user_id', '=', id).execute();
        const row = await emailTaken(
          trx
            .updateTable('users')
            .set(columns(change, passwordHash))
            .where('id', '=', id)
            .returningAll()
            .executeTakeFirstOrThrow(),
        );
        return announce(trx, 'user.updated', actor, row, { changed: Object.keys(change) });
      });
      changed(id);
      return user;
    },

    async remove(actor, id) {
      await db.transaction().execute(async (trx) => {
        await lockAdmins(trx);
        const row = await takeRow(trx, id);
        assertMayManage(actor, row);
        if (row.role === 'admin' && row.active) await assertNotLastAdmin(trx, id);
        await trx.deleteFrom('users').where('id', '=', id).execute();
        await announce(trx, 'user.deleted', actor, row, { email: row.email });
      });
      changed(id);
    },
  };

  async function announce(
    trx: Trx,
    name: 'user.created' | 'user.updated' | 'user.deleted',
    actor: Principal,
    row: UserRow,
    detail: Record<string, unknown>,
  ): Promise<PublicUser> {
    const user = publicUser(row);
    await publish(trx, { name, data: user });
    await audit(trx, { actorKind: 'user', actor: actor.userId, action: name, target: user.id, detail });
    return user;
  }
}

/** The row, locked until the transaction ends, with its role as a type. */
async function takeRow(trx: Trx, id: string): Promise<UserRow & { role: Role }> {
  const row = await trx.selectFrom('users').selectAll().where('id', '=', id).forUpdate().executeTakeFirst();
  if (!row) throw unknownUser(id);
  return { ...row, role: toRole(row.role) };
}

function columns(change: UserChange, passwordHash: string | undefined): Updateable<UsersTable> {
  return {
    ...(change.email === undefined ? {} : { email: normalEmail(change.email) }),
    ...(change.name === undefined ? {} : { name: change.name }),
    ...(change.role === undefined ? {} : { role: change.role }),
    ...(change.permissions === undefined ? {} : { permissions: [...change.permissions] }),
    ...(change.active === undefined ? {} : { active: change.active }),
    ...(passwordHash === undefined ? {} : { password_hash: passwordHash }),
    updated_at: new Date(),
  };
}

const onlyName = (change: UserChange) => Object.keys(change).every((key) => key === 'name');

function unknownUser(id: string): CodedError {
  return new CodedError('not_found', `There is no user ${id}`);
}

/** Turns the unique violation (SQLSTATE 23505) of the email into an answer. */
async function emailTaken<T>(change: Promise<T>): Promise<T> {
  try {
    return await change;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === '23505') {
      throw new CodedError('conflict', 'Another user has that email');
    }
    throw error;
  }
}
