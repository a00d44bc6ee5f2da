import { t } from 'elysia';
import { PERMISSION_MAX_LENGTH, PERMISSION_PATTERN, PERMISSIONS_MAX } from '../auth/roles.ts';
import type { PublicUser } from '../users/public-user.ts';

/** Schemas that several resources share. Control characters are refused: Postgres cannot store NUL. */
export const Email = t.String({
  pattern: '^[^\\s\\x00-\\x1f\\x7f@<>",;:\\\\()[\\]]+@[^\\s\\x00-\\x1f\\x7f@<>",;:\\\\()[\\]]+$',
  minLength: 3,
  maxLength: 254,
  examples: ['ada@example.com'],
});

export const DisplayName = t.String({ pattern: '^[^\\x00-\\x1f\\x7f]+$', minLength: 1, maxLength: 100 });

export const Uuid = t.String({ pattern: '^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$' });

export const IdParams = t.Object({ id: Uuid }, { additionalProperties: false });

export const RoleSchema = t.Union([t.Literal('admin'), t.Literal('user')]);

export const Permissions = t.Array(t.String({ pattern: PERMISSION_PATTERN, maxLength: PERMISSION_MAX_LENGTH }), {
  maxItems: PERMISSIONS_MAX,
  uniqueItems: true,
});

export const UserSchema = t.Object({
  id: t.String({ format: 'uuid' }),
  email: t.String(),
  name: t.String(),
  role: RoleSchema,
  permissions: t.Array(t.String()),
  active: t.Boolean(),
  createdAt: t.String({ format: 'date-time' }),
  updatedAt: t.String({ format: 'date-time' }),
  lastLoginAt: t.Union([t.String({ format: 'date-time' }), t.Null()]),
});

/** A user in the shape of UserSchema: TypeBox's types know no readonly arrays. */
export function shownUser(user: PublicUser) {
  return { ...user, permissions: [...user.permissions] };
}
