import { Elysia } from 'elysia';
import { CodedError } from '../../sandbox-apis/_kit/errors.ts';
import { demand, demandAdmin, type Principal } from './principal.ts';
import type { Resolver } from './resolve.ts';

/** Whom a route is for: anybody signed in, admins, or who holds the permission. */
export type AuthNeed = 'user' | 'admin' | { readonly permission: string };

const SECURITY = [{ bearer: [] }, { session: [] }];

/**
 * The macro `auth` for routes: `{ auth: 'user' }`, `{ auth: 'admin' }`, `{ auth: { permission: 'users:read' } }`. It
 * runs before validation, so that strangers learn nothing of a route's shape, and gives the handler `principal`.
 * Errors: `unauthenticated`, `forbidden`, `csrf_failed`.
 */
export function authGuard(auth: Pick<Resolver, 'authenticate'>) {
  const principals = new WeakMap<Request, Principal>();
  return new Elysia().macro({
    auth: (need: AuthNeed) => ({
      detail: { security: SECURITY, ...described(need) },
      async transform({ request }: { request: Request }) {
        principals.set(request, await admit(auth, request, need));
      },
      resolve({ request }: { request: Request }) {
        const principal = principals.get(request);
        if (!principal) throw new Error('the guard did not run');
        return { principal };
      },
    }),
  });
}

/** The principal of a request that meets the need. Errors: `unauthenticated`, `forbidden`, `csrf_failed`. */
export async function admit(
  auth: Pick<Resolver, 'authenticate'>,
  request: Request,
  need: AuthNeed,
): Promise<Principal> {
  const principal = await auth.authenticate(request);
  if (principal === null) throw new CodedError('unauthenticated');
  if (need === 'admin') demandAdmin(principal);
  else if (need !== 'user') demand(principal, need.permission);
  return principal;
}

function described(need: AuthNeed) {
  if (need === 'user') return {};
  return { description: need === 'admin' ? 'For admins.' : `Needs the permission \`${need.permission}\`.` };
}
