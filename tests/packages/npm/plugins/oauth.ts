import { definePlugin } from '@streamspace/sdk';
import * as oauth from 'oauth4webapi';

interface Settings {
  readonly issuer: string;
  readonly clientId: string;
  readonly secret: string;
  readonly redirectUri: string;
}

interface Pending {
  readonly verifier: string;
  readonly nonce: string;
}

// The server of the tests has no certificate.
const insecure = { [oauth.allowInsecureRequests]: true };
const open = { auth: 'public' } as const;

export default definePlugin<Settings>({
  async onLoad({ api, config, storage }) {
    const client: oauth.Client = { client_id: config.clientId };
    const auth = oauth.ClientSecretBasic(config.secret);
    const issuer = new URL(config.issuer);
    const server = await oauth.processDiscoveryResponse(issuer, await oauth.discoveryRequest(issuer, insecure));

    api.get(
      '/login',
      async () => {
        const verifier = oauth.generateRandomCodeVerifier();
        const state = oauth.generateRandomState();
        const nonce = oauth.generateRandomNonce();
        await storage.set(`login/${state}`, { verifier, nonce });
        const url = new URL(server.authorization_endpoint ?? '');
        url.search = String(
          new URLSearchParams({
            client_id: config.clientId,
            redirect_uri: config.redirectUri,
            response_type: 'code',
            scope: 'openid email offline_access',
            prompt: 'consent',
            state,
            nonce,
            code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
            code_challenge_method: 'S256',
          }),
        );
        return { url: url.href };
      },
      open,
    );

    api.post(
      '/callback',
      async (request) => {
        const { url } = (await request.json()) as { url: string };
        const state = new URL(url).searchParams.get('state') ?? '';
        const pending = await storage.get<Pending>(`login/${state}`);
        if (pending === null) return Response.json({ error: 'unknown state' }, { status: 200 });
        const params = oauth.validateAuthResponse(server, client, new URL(url), state);
        const granted = await oauth.authorizationCodeGrantRequest(
          server,
          client,
          auth,
          params,
          config.redirectUri,
          pending.verifier,
          insecure,
        );
        const tokens = await oauth.processAuthorizationCodeResponse(server, client, granted, {
          expectedNonce: pending.nonce,
          requireIdToken: true,
        });
        await oauth.validateApplicationLevelSignature(server, granted, insecure);
        const claims = oauth.getValidatedIdTokenClaims(tokens);
        const info = await oauth.userInfoRequest(server, client, tokens.access_token, insecure);
        const user = await oauth.processUserInfoResponse(server, client, claims?.sub ?? '', info);
        const refreshed = await oauth.processRefreshTokenResponse(
          server,
          client,
          await oauth.refreshTokenGrantRequest(server, client, auth, tokens.refresh_token ?? '', insecure),
        );
        const revoked = await oauth.revocationRequest(server, client, auth, refreshed.access_token, insecure);
        await oauth.processRevocationResponse(revoked);
        const looked = await oauth.introspectionRequest(server, client, auth, refreshed.access_token, insecure);
        const { active } = await oauth.processIntrospectionResponse(server, client, looked);
        return { claims, user, refreshed: refreshed.token_type, active, idToken: tokens.id_token };
      },
      open,
    );

    api.post(
      '/validate',
      async (request) => {
        const { url, state } = (await request.json()) as { url: string; state: string };
        try {
          oauth.validateAuthResponse(server, client, new URL(url), state);
          return { error: null };
        } catch (error) {
          const { name, code } = error as oauth.OperationProcessingError;
          return { error: name, code };
        }
      },
      open,
    );

    api.get(
      '/machine',
      async () => {
        const jwt = oauth.ClientSecretPost(config.secret);
        const answer = await oauth.clientCredentialsGrantRequest(server, client, jwt, { scope: 'openid' }, insecure);
        const { token_type, expires_in } = await oauth.processClientCredentialsResponse(server, client, answer);
        return { token_type, expires_in };
      },
      open,
    );

    api.get(
      '/wrong',
      async () => {
        const answer = await oauth.clientCredentialsGrantRequest(
          server,
          client,
          oauth.ClientSecretPost('wrong'),
          {},
          insecure,
        );
        try {
          await oauth.processClientCredentialsResponse(server, client, answer);
          return { error: null };
        } catch (error) {
          if (error instanceof oauth.ResponseBodyError) return { error: error.error, status: error.status };
          throw error;
        }
      },
      open,
    );
  },
});
