/** The session cookie of a deployment: its name depends on whether it is served over TLS. */
export interface SessionCookie {
  readonly name: string;
  /** The `Set-Cookie` value that stores the token for `maxAgeSeconds`. */
  set(token: string, maxAgeSeconds: number): string;
  /** The `Set-Cookie` value that removes it. */
  clear(): string;
  /** The token that the request carries, or null. */
  read(request: Request): string | null;
}

/**
 * Makes the session cookie. HttpOnly: scripts never see it. SameSite=Lax: links from elsewhere find the user signed in,
 * cross-site posts do not. Over TLS it is Secure with the `__Host-` prefix (RFC 6265bis 4.1.3.2): no sibling domain can
 * set it.
 */
export function sessionCookie(secure: boolean): SessionCookie {
  const name = secure ? '__Host-streamspace' : 'streamspace';
  const attributes = `Path=/; HttpOnly; SameSite=Lax${secure ? '; Secure' : ''}`;
  return {
    name,
    set: (token, maxAgeSeconds) => `${name}=${token}; Max-Age=${maxAgeSeconds}; ${attributes}`,
    clear: () => `${name}=; Max-Age=0; ${attributes}`,
    read: (request) => {
      const header = request.headers.get('cookie');
      return header === null ? null : new Bun.CookieMap(header).get(name);
    },
  };
}
