import { Elysia, t } from 'elysia';
import { clientIp } from '../auth/client-ip.ts';
import { checkOrigin } from '../auth/csrf.ts';
import { authGuard } from '../auth/guard.ts';
import { PASSWORD_MAX_LENGTH, PASSWORD_MIN_LENGTH } from '../auth/passwords.ts';
import { csrfTokenOf } from '../auth/secrets.ts';
import type { Auth } from '../auth/service.ts';
import { SESSION_MAX_MS } from '../auth/session-store.ts';
import type { Config } from '../config.ts';
import type { Users } from '../users/service.ts';
import { Email, shownUser, UserSchema } from './schemas.ts';

export interface AuthRoutesDeps {
  readonly auth: Auth;
  readonly users: Pick<Users, 'get'>;
  readonly config: Pick<Config, 'trustProxy'>;
}

const LoginBody = t.Object(
  { email: Email, password: t.String({ minLength: 1, maxLength: PASSWORD_MAX_LENGTH }) },
  { additionalProperties: false },
);
const PasswordBody = t.Object(
  {
    currentPassword: t.String({ minLength: 1, maxLength: PASSWORD_MAX_LENGTH }),
    newPassword: t.String({ minLength: PASSWORD_MIN_LENGTH, maxLength: PASSWORD_MAX_LENGTH }),
  },
  { additionalProperties: false },
);
const SignedInSchema = t.Object({
  token: t.String({ description: 'Send it as `Authorization: Bearer`; browsers have it as a cookie already.' }),
  user: UserSchema,
  csrfToken: t.String({ description: 'Send it as `X-CSRF-Token` with each change that the cookie authenticates.' }),
});
const MeSchema = t.Object({
  user: UserSchema,
  permissions: t.Array(t.String(), { description: 'What this credential allows; an admin needs none.' }),
  via: t.Union([t.Literal('session'), t.Literal('token'), t.Literal('cookie')]),
  csrfToken: t.Union([t.String(), t.Null()], { description: 'Null for API tokens, which need none.' }),
});

const tags = ['auth'];

/** Signing in and out, who one is, and one's own password. */
export function authRoutes({ auth, users, config }: AuthRoutesDeps) {
  return new Elysia({ prefix: '/api/auth', normalize: false })
    .use(authGuard(auth))
    .post(
      '/login',
      async ({ body, request, server, set }) => {
        // Otherwise another site could sign the visitor in as somebody else and watch.
        checkOrigin(request, auth.publicOrigin);
        const signedIn = await auth.login(body.email, body.password, {
          ip: clientIp(request, server, config.trustProxy),
          userAgent: request.headers.get('user-agent'),
        });
        set.headers['set-cookie'] = auth.cookie.set(signedIn.token, SESSION_MAX_MS / 1000);
        return { ...signedIn, user: shownUser(signedIn.user) };
      },
      { body: LoginBody, response: SignedInSchema, detail: { summary: 'Sign in with email and password', tags } },
    )
    .post(
      '/logout',
      async ({ principal, set }) => {
        await auth.logout(principal);
        set.headers['set-cookie'] = auth.cookie.clear();
        set.status = 204;
      },
      { auth: 'user', detail: { summary: 'End this session', tags } },
    )
    .get(
      '/me',
      async ({ principal, request }) => {
        const sent = principal.via === 'token' ? null : auth.credential(request);
        return {
          user: shownUser(await users.get(principal.userId)),
          permissions: [...principal.permissions],
          via: principal.via,
          csrfToken: sent === null ? null : csrfTokenOf(sent.secret),
        };
      },
      { auth: 'user', response: MeSchema, detail: { summary: 'Who the credential stands for', tags } },
    )
    .post(
      '/password',
      async ({ principal, body, request, server, set }) => {
        const ip = clientIp(request, server, config.trustProxy);
        await auth.changePassword(principal, body.currentPassword, body.newPassword, ip);
        set.status = 204;
      },
      {
        auth: 'user',
        body: PasswordBody,
        detail: { summary: 'Change your own password; ends your other sessions', tags },
      },
    );
}
