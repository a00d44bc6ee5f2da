import type { Selectable } from 'kysely';
import { type Role, toRole } from '../auth/principal.ts';
import type { Users } from '../db/tables.ts';

/** A user as REST answers and events show it: never the password hash. */
export interface PublicUser {
  readonly id: string;
  readonly email: string;
  readonly name: string;
  readonly role: Role;
  /** Given to this user by name, besides those of the role. */
  readonly permissions: readonly string[];
  /** An inactive user cannot sign in; sessions and tokens do not work. */
  readonly active: boolean;
  readonly createdAt: string;
  readonly updatedAt: string;
  readonly lastLoginAt: string | null;
}

export type UserRow = Selectable<Users>;

/** What of a row may be shown. Pure. */
export function publicUser(row: UserRow): PublicUser {
  return {
    id: row.id,
    email: row.email,
    name: row.name,
    role: toRole(row.role),
    permissions: row.permissions,
    active: row.active,
    createdAt: row.created_at.toISOString(),
    updatedAt: row.updated_at.toISOString(),
    lastLoginAt: row.last_login_at?.toISOString() ?? null,
  };
}

/** Emails are compared without regard to case or surrounding space. */
export function normalEmail(email: string): string {
  return email.trim().toLowerCase();
}
