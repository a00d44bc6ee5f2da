import { generateKeyPairSync } from 'node:crypto';
import { createServer } from 'node:http';
import { type JWK, Provider } from 'oidc-provider';

/** A confidential client that the server knows; `secret` is long enough to sign with. */
export const OIDC_CLIENT = {
  id: 'streamspace',
  secret: 'a client secret of the tests, 32+ characters',
  redirectUri: 'https://streamspace.example/callback',
} as const;

const ARTIFACTS = [
  'AccessToken',
  'AuthorizationCode',
  'ClientCredentials',
  'Grant',
  'IdToken',
  'Interaction',
  'RefreshToken',
  'Session',
];

export interface OidcServer {
  readonly issuer: string;
  /** `host:port`, as the permission `network:<host:port>` names it. */
  readonly authority: string;
  /** Signs `login` in and consents, as a person at a browser would; answers the address that the client is called back at. */
  signIn(authorizationUrl: string, login: string): Promise<URL>;
  stop(): void;
}

function signingKey() {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  return { ...privateKey.export({ format: 'jwk' }), alg: 'RS256', use: 'sig', kid: 'tests' } as JWK;
}

/** The certified OpenID provider `oidc-provider` on a free local port, with its own pages for signing in. */
export async function startOidcServer(): Promise<OidcServer> {
  const server = createServer();
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  const authority = `127.0.0.1:${address.port}`;
  const issuer = `http://${authority}`;
  const provider = new Provider(issuer, {
    clients: [
      {
        client_id: OIDC_CLIENT.id,
        client_secret: OIDC_CLIENT.secret,
        redirect_uris: [OIDC_CLIENT.redirectUri],
        grant_types: ['authorization_code', 'refresh_token', 'client_credentials'],
        response_types: ['code'],
      },
    ],
    features: {
      clientCredentials: { enabled: true },
      introspection: { enabled: true, allowedPolicy: () => true },
      revocation: { enabled: true, allowedPolicy: () => true },
    },
    // Said, since it warns of each that is not.
    ttl: Object.fromEntries(ARTIFACTS.map((name) => [name, 600])),
    jwks: { keys: [signingKey()] },
    claims: { openid: ['sub'], email: ['email', 'email_verified'] },
    findAccount: (_context, id) => ({
      accountId: id,
      claims: () => ({ sub: id, email: `${id}@example.com`, email_verified: true }),
    }),
    cookies: { keys: ['the tests'] },
  });
  server.on('request', provider.callback());

  async function signIn(authorizationUrl: string, login: string): Promise<URL> {
    const cookies = new Map<string, string>();
    let next: { url: string; form?: URLSearchParams } = { url: authorizationUrl };
    for (let step = 0; step < 20; step += 1) {
      const { url, form } = next;
      const answer = await fetch(url, {
        redirect: 'manual',
        headers: { cookie: [...cookies].map((pair) => pair.join('=')).join('; ') },
        ...(form === undefined ? {} : { method: 'POST', body: form }),
      });
      for (const line of answer.headers.getSetCookie()) {
        const [name = '', value = ''] = (line.split(';')[0] ?? '').split('=');
        cookies.set(name, value);
      }
      const location = answer.headers.get('location');
      if (location !== null) {
        const target = new URL(location, url);
        if (target.href.startsWith(OIDC_CLIENT.redirectUri)) return target;
        next = { url: target.href };
        continue;
      }
      const page = await answer.text();
      const action = /<form[^>]* action="([^"]+)"/.exec(page)?.[1];
      const prompt = /name="prompt" value="([^"]+)"/.exec(page)?.[1];
      if (action === undefined || prompt === undefined) throw new Error(`no form at ${url}: ${answer.status} ${page}`);
      next = {
        url: action,
        form: new URLSearchParams({ prompt, ...(prompt === 'login' && { login, password: 'any' }) }),
      };
    }
    throw new Error('the sign-in does not end');
  }

  return {
    issuer,
    authority,
    signIn,
    stop: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}
