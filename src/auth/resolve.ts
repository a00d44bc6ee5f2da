import type { Db } from '../db/client.ts';
import { findApiToken } from './api-tokens.ts';
import type { SessionCookie } from './cookies.ts';
import { checkCsrf } from './csrf.ts';
import type { Principal } from './principal.ts';
import type { PrincipalCache } from './principal-cache.ts';
import { hashSecret, secretKey, secretKind } from './secrets.ts';
import { findSession } from './session-store.ts';

export interface Resolver {
  /**
   * Who the request acts for, or null. Answers at once when the credential was seen in the last seconds. A bearer that is
   * wrong is nobody, even beside a good cookie. Checks no CSRF token: use `authenticate` for that.
   */
  resolvePrincipal(request: Request): Principal | null | Promise<Principal | null>;
  /** As `resolvePrincipal`, and refuses forged cross-site requests. Errors: `csrf_failed`. */
  authenticate(request: Request): Principal | null | Promise<Principal | null>;
  /** The session token or API token that the request carries, as it came. */
  credential(request: Request): { readonly secret: string; readonly from: 'bearer' | 'cookie' } | null;
}

interface ResolverDeps {
  readonly db: Db;
  readonly cache: PrincipalCache;
  readonly cookie: SessionCookie;
  /** Scheme, host and port under which browsers reach the core, when that is known. */
  readonly publicOrigin: string | null;
}

const BEARER = /^bearer +(\S+)$/i;

export function createResolver({ db, cache, cookie, publicOrigin }: ResolverDeps): Resolver {
  const credential: Resolver['credential'] = (request) => {
    const bearer = request.headers.get('authorization')?.match(BEARER)?.[1];
    if (bearer !== undefined) return { secret: bearer, from: 'bearer' };
    const secret = cookie.read(request);
    return secret === null ? null : { secret, from: 'cookie' };
  };

  const resolve = (secret: string, from: 'bearer' | 'cookie') => {
    const kind = secretKind(secret);
    // API tokens are for programs, which send headers; as a cookie one would need a CSRF token that it has not.
    if (kind === null || (kind === 'token' && from === 'cookie')) return null;
    const key = (from === 'cookie' ? 'c' : 'b') + secretKey(secret);
    return cache.get(key) ?? look(kind, from, secret, key);
  };

  const look = async (kind: 'session' | 'token', from: 'bearer' | 'cookie', secret: string, key: string) => {
    const hash = hashSecret(secret);
    const { epoch } = cache;
    const via = from === 'cookie' ? 'cookie' : 'session';
    const found = kind === 'token' ? await findApiToken(db, hash) : await findSession(db, hash, via);
    if (found === null) return null;
    const principal = Object.freeze(found.principal);
    cache.put(key, principal, found.expiresAt?.getTime() ?? Number.POSITIVE_INFINITY, epoch);
    return principal;
  };

  return {
    credential,
    resolvePrincipal(request) {
      const sent = credential(request);
      return sent === null ? null : resolve(sent.secret, sent.from);
    },
    authenticate(request) {
      const sent = credential(request);
      if (sent === null) return null;
      const principal = resolve(sent.secret, sent.from);
      if (sent.from === 'bearer') return principal;
      return Promise.resolve(principal).then((found) => {
        // Only for who is signed in: a stale cookie gets 401, not a riddle about a token.
        if (found !== null) checkCsrf(request, sent.secret, publicOrigin);
        return found;
      });
    },
  };
}
