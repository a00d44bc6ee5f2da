import { Elysia, t } from 'elysia';
import { authGuard } from '../auth/guard.ts';
import { PASSWORD_MAX_LENGTH, PASSWORD_MIN_LENGTH } from '../auth/passwords.ts';
import { demand } from '../auth/principal.ts';
import type { Resolver } from '../auth/resolve.ts';
import type { Users } from '../users/service.ts';
import { DisplayName, Email, IdParams, Permissions, RoleSchema, shownUser, UserSchema } from './schemas.ts';

export interface UserRoutesDeps {
  readonly users: Users;
  readonly auth: Pick<Resolver, 'authenticate'>;
}

const Password = t.String({ minLength: PASSWORD_MIN_LENGTH, maxLength: PASSWORD_MAX_LENGTH });
const CreateBody = t.Object(
  {
    email: Email,
    name: DisplayName,
    password: Password,
    role: t.Optional(RoleSchema),
    permissions: t.Optional(Permissions),
  },
  { additionalProperties: false },
);
const UpdateBody = t.Object(
  {
    email: t.Optional(Email),
    name: t.Optional(DisplayName),
    password: t.Optional(Password),
    role: t.Optional(RoleSchema),
    permissions: t.Optional(Permissions),
    active: t.Optional(t.Boolean()),
  },
  { additionalProperties: false, minProperties: 1 },
);
const ListQuery = t.Object({
  page: t.Integer({ minimum: 1, maximum: 100_000, default: 1 }),
  limit: t.Integer({ minimum: 1, maximum: 200, default: 50 }),
  search: t.Optional(t.String({ pattern: '^[^\\x00]*$', maxLength: 254 })),
});
const ListSchema = t.Object({
  items: t.Array(UserSchema),
  total: t.Integer(),
  page: t.Integer(),
  limit: t.Integer(),
});

const tags = ['users'];

/** Users; who may change whom is decided in src/users/rules.ts. */
export function userRoutes({ users, auth }: UserRoutesDeps) {
  return new Elysia({ prefix: '/api/users', normalize: false })
    .use(authGuard(auth))
    .get(
      '',
      async ({ query: { page, limit, search } }) => {
        const found = await users.list({ page, limit, ...(search === undefined ? {} : { search }) });
        return { ...found, items: found.items.map(shownUser) };
      },
      {
        auth: { permission: 'users:read' },
        query: ListQuery,
        response: ListSchema,
        detail: { summary: 'List users by email', tags },
      },
    )
    .get(
      '/:id',
      async ({ params, principal }) => {
        if (params.id !== principal.userId) demand(principal, 'users:read');
        return shownUser(await users.get(params.id));
      },
      {
        auth: 'user',
        params: IdParams,
        response: UserSchema,
        detail: { summary: 'One user; yourself without a permission', tags },
      },
    )
    .post(
      '',
      async ({ body, principal, set }) => {
        const user = await users.create(principal, { role: 'user', permissions: [], ...body });
        set.status = 201;
        set.headers.location = `/api/users/${user.id}`;
        return shownUser(user);
      },
      {
        auth: { permission: 'users:write' },
        body: CreateBody,
        response: { 201: UserSchema },
        detail: { summary: 'Make a user', tags },
      },
    )
    .patch('/:id', async ({ params, body, principal }) => shownUser(await users.update(principal, params.id, body)), {
      auth: 'user',
      params: IdParams,
      body: UpdateBody,
      response: UserSchema,
      detail: { summary: 'Change a user; your own name without a permission', tags },
    })
    .delete(
      '/:id',
      async ({ params, principal, set }) => {
        await users.remove(principal, params.id);
        set.status = 204;
      },
      {
        auth: { permission: 'users:write' },
        params: IdParams,
        detail: { summary: 'Delete a user with their sessions and tokens', tags },
      },
    );
}
