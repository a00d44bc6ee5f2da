import { Elysia, t } from 'elysia';
import type { ApiToken } from '../auth/api-tokens.ts';
import { authGuard } from '../auth/guard.ts';
import type { Auth } from '../auth/service.ts';
import { DisplayName, IdParams, Permissions } from './schemas.ts';

const DateTime = t.String({ format: 'date-time', maxLength: 40 });
const TokenBody = t.Object(
  {
    name: DisplayName,
    permissions: t.Optional(
      t.Union([Permissions, t.Null()], { description: 'Narrows the token; null or absent: all that you may do.' }),
    ),
    expiresAt: t.Optional(t.Union([DateTime, t.Null()])),
  },
  { additionalProperties: false },
);
const tokenFields = {
  id: t.String({ format: 'uuid' }),
  name: t.String(),
  prefix: t.String(),
  permissions: t.Union([t.Array(t.String()), t.Null()]),
  createdAt: DateTime,
  expiresAt: t.Union([DateTime, t.Null()]),
  lastUsedAt: t.Union([DateTime, t.Null()]),
};
const TokenSchema = t.Object(tokenFields);
const NewTokenSchema = t.Object({ ...tokenFields, token: t.String({ description: 'The secret, shown only now.' }) });

const tags = ['auth'];

/** API tokens of the signed-in user, for programs. */
export function tokenRoutes({ auth }: { readonly auth: Auth }) {
  return new Elysia({ prefix: '/api/auth/tokens', normalize: false })
    .use(authGuard(auth))
    .get('', async ({ principal }) => ({ items: (await auth.tokens.list(principal)).map(mutable) }), {
      auth: 'user',
      response: t.Object({ items: t.Array(TokenSchema) }),
      detail: { summary: 'List your API tokens', tags },
    })
    .post(
      '',
      async ({ principal, body, set }) => {
        const made = await auth.tokens.create(principal, {
          name: body.name,
          permissions: body.permissions ?? null,
          expiresAt: body.expiresAt ? new Date(body.expiresAt) : null,
        });
        set.status = 201;
        return { ...mutable(made), token: made.token };
      },
      {
        auth: 'user',
        body: TokenBody,
        response: { 201: NewTokenSchema },
        detail: { summary: 'Make an API token; its secret is in this answer only', tags },
      },
    )
    .delete(
      '/:id',
      async ({ principal, params, set }) => {
        await auth.tokens.revoke(principal, params.id);
        set.status = 204;
      },
      { auth: 'user', params: IdParams, detail: { summary: 'Revoke one of your API tokens', tags } },
    );
}

/** TypeBox's types know no readonly arrays. */
function mutable(token: ApiToken) {
  return { ...token, permissions: token.permissions === null ? null : [...token.permissions] };
}
