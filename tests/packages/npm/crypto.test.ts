import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { createPublicKey, generateKeyPairSync, type JsonWebKey, verify } from 'node:crypto';
import * as jose from 'jose';
import { SignedXml } from 'xml-crypto';
import { type HttpDouble, startHttpDouble } from '../../kit/http-double.ts';
import { installNpmPlugin, type NpmPlugin, pluginSource } from '../../kit/npm-plugin.ts';
import { OIDC_CLIENT, type OidcServer, startOidcServer } from '../../kit/oidc-server.ts';
import { type RunningCore, startCore } from '../../kit/start-core.ts';

// Packages that sign, verify and encrypt, judged by another implementation or by published vectors.

setDefaultTimeout(60_000);

let core: RunningCore;
beforeAll(async () => {
  core = await startCore();
});
afterAll(async () => {
  await core?.stop();
});

type Pair = { readonly privateKey: JsonWebKey; readonly publicKey: JsonWebKey };
const rsa = (): Pair => jwkPair(generateKeyPairSync('rsa', { modulusLength: 2048 }));
const ec = (): Pair => jwkPair(generateKeyPairSync('ec', { namedCurve: 'P-256' }));
const ed25519 = (): Pair => jwkPair(generateKeyPairSync('ed25519'));

function jwkPair({ privateKey, publicKey }: ReturnType<typeof generateKeyPairSync>): Pair {
  const options = { format: 'jwk' } as const;
  return { privateKey: privateKey.export(options) as JsonWebKey, publicKey: publicKey.export(options) as JsonWebKey };
}

describe('jose', () => {
  let plugin: NpmPlugin;
  let keys: HttpDouble;
  let jwks: object = { keys: [] };
  beforeAll(async () => {
    keys = startHttpDouble(() => Response.json(jwks));
    plugin = await installNpmPlugin(core, 'npm-jose', {
      packages: ['jose'],
      source: await pluginSource('jose.ts'),
      permissions: [`network:${keys.authority}`],
    });
  });
  afterAll(async () => {
    await keys?.stop();
  });

  /** Whether the signature of a JWS is right, by node:crypto alone. */
  function isSigned(jws: string, jwk: JsonWebKey): boolean {
    const [head = '', body = '', signature = ''] = jws.split('.');
    const key = createPublicKey({ key: jwk, format: 'jwk' });
    const hash = key.asymmetricKeyType === 'ed25519' ? null : 'sha256';
    return verify(
      hash,
      Buffer.from(`${head}.${body}`),
      { key, dsaEncoding: 'ieee-p1363' },
      Buffer.from(signature, 'base64url'),
    );
  }

  test.each([
    ['RS256', rsa],
    ['ES256', ec],
    ['EdDSA', ed25519],
  ] as const)('%s: what it signs verifies elsewhere, and the other way round', async (alg, make) => {
    const { privateKey, publicKey } = make();
    const claims = { sub: 'ada', aud: 'plugin', roles: ['admin'] };
    const { jwt } = await plugin.ask('/sign', { alg, jwk: privateKey, claims });
    expect(isSigned(jwt, publicKey)).toBe(true);
    expect(jose.decodeProtectedHeader(jwt)).toEqual({ alg, typ: 'JWT' });
    const { payload } = await jose.jwtVerify(jwt, await jose.importJWK(publicKey as jose.JWK, alg));
    expect(payload).toMatchObject(claims);

    const made = await new jose.SignJWT(claims)
      .setProtectedHeader({ alg })
      .setIssuer('https://issuer.example')
      .setExpirationTime(new Date('2026-11-21T10:00:00Z'))
      .sign(await jose.importJWK(privateKey as jose.JWK, alg));
    const check = (jwtText: string, options: object, jwk: JsonWebKey = publicKey) =>
      plugin.ask('/verify', { alg, jwk, jwt: jwtText, options: { now: '2026-11-21T09:00:00Z', ...options } });
    expect((await check(made, { issuer: 'https://issuer.example', audience: 'plugin' })).claims).toMatchObject(claims);
    expect(await check(made, { issuer: 'https://other.example' })).toEqual({
      error: 'ERR_JWT_CLAIM_VALIDATION_FAILED',
    });
    expect(await check(made, { now: '2026-11-21T10:00:01Z' })).toEqual({ error: 'ERR_JWT_EXPIRED' });
    expect(await check(made, {}, make().publicKey)).toEqual({ error: 'ERR_JWS_SIGNATURE_VERIFICATION_FAILED' });
    const [head, , signature] = made.split('.');
    const other = Buffer.from('{"sub":"eve"}').toString('base64url');
    expect(await check(`${head}.${other}.${signature}`, {})).toEqual({
      error: 'ERR_JWS_SIGNATURE_VERIFICATION_FAILED',
    });
  });

  test('HS256: the example of RFC 7515, A.1', async () => {
    const jwk = {
      kty: 'oct',
      k: 'AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow',
    };
    const jwt = [
      'eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9',
      'eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ',
      'dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk',
    ].join('.');
    const options = { now: '2011-03-22T18:00:00Z' };
    expect(await plugin.ask('/verify', { alg: 'HS256', jwk, jwt, options })).toEqual({
      claims: { iss: 'joe', exp: 1300819380, 'http://example.com/is_root': true },
    });
  });

  test('EdDSA: the example of RFC 8037, A.4, to the letter', async () => {
    const jwk = {
      kty: 'OKP',
      crv: 'Ed25519',
      d: 'nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A',
      x: '11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo',
    };
    const { jws } = await plugin.ask('/jws', { alg: 'EdDSA', jwk, payload: 'Example of Ed25519 signing' });
    expect(jws).toBe(
      'eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.' +
        'hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg',
    );
  });

  test('JWE: the example of RFC 7516, A.3 (A128KW, A128CBC-HS256)', async () => {
    const jwe = [
      'eyJhbGciOiJBMTI4S1ciLCJlbmMiOiJBMTI4Q0JDLUhTMjU2In0',
      '6KB707dM9YTIgHtLvtgWQ8mKwboJW3of9locizkDTHzBC2IlrT1oOQ',
      'AxY8DCtDaGlsbGljb3RoZQ',
      'KDlTtXchhZTGufMYmOYGS4HffxPSUrfmqCHXaI9wOGY',
      'U0m_YmjN04DJvceFICbCVQ',
    ].join('.');
    const jwk = { kty: 'oct', k: 'GawgguFyGrWKav7AX4VKUg' };
    expect(await plugin.ask('/decrypt', { alg: 'A128KW', jwk, jwe })).toEqual({ text: 'Live long and prosper.' });
    const changed = jwe.replace('KDlT', 'KDlU');
    expect(await plugin.ask('/decrypt', { alg: 'A128KW', jwk, jwe: changed })).toEqual({
      error: 'ERR_JWE_DECRYPTION_FAILED',
    });
  });

  test.each([
    ['RSA-OAEP-256', 'A256GCM', rsa],
    ['ECDH-ES+A256KW', 'A128CBC-HS256', ec],
    ['ECDH-ES', 'A256GCM', () => jwkPair(generateKeyPairSync('x25519'))],
  ] as const)('JWE %s with %s, both ways', async (alg, enc, make) => {
    const { privateKey, publicKey } = make();
    const text = 'grüße '.repeat(500);
    const { jwe } = await plugin.ask('/encrypt', { alg, enc, jwk: publicKey, text });
    const opened = await jose.compactDecrypt(jwe, await jose.importJWK(privateKey as jose.JWK, alg));
    expect(new TextDecoder().decode(opened.plaintext)).toBe(text);
    const sealed = await new jose.CompactEncrypt(new TextEncoder().encode(text))
      .setProtectedHeader({ alg, enc })
      .encrypt(await jose.importJWK(publicKey as jose.JWK, alg));
    expect(await plugin.ask('/decrypt', { alg, jwk: privateKey, jwe: sealed })).toEqual({ text });
  });

  test.each(['RS256', 'ES256', 'Ed25519'])('%s: keys that are made inside', async (alg) => {
    const { jwk, jwt, thumbprint, pem } = await plugin.ask('/generate', { alg });
    expect(isSigned(jwt, jwk)).toBe(true);
    expect(thumbprint).toBe(await jose.calculateJwkThumbprint(jwk));
    expect(createPublicKey(pem).export({ format: 'jwk' })).toMatchObject({ kty: jwk.kty });
  });

  test('a remote key set is fetched, and the key picked by its id', async () => {
    const [one, two] = [ec(), ec()];
    jwks = {
      keys: [
        { ...one.publicKey, kid: '1', alg: 'ES256' },
        { ...two.publicKey, kid: '2', alg: 'ES256' },
      ],
    };
    const signed = async (kid: string, pair: Pair) =>
      new jose.SignJWT({ aud: 'plugin' })
        .setProtectedHeader({ alg: 'ES256', kid })
        .sign(await jose.importJWK(pair.privateKey as jose.JWK, 'ES256'));
    const ask = async (jwt: string) => plugin.ask('/remote', { jwt, jwks: `${keys.url}/jwks.json` });
    expect(await ask(await signed('2', two))).toEqual({ claims: { aud: 'plugin' } });
    expect(await ask(await signed('1', two))).toEqual({ error: 'ERR_JWS_SIGNATURE_VERIFICATION_FAILED' });
    expect(await ask(await signed('3', two))).toEqual({ error: 'ERR_JWKS_NO_MATCHING_KEY' });
  });
});

describe('oauth4webapi, against a certified OpenID provider', () => {
  let server: OidcServer;
  let plugin: NpmPlugin;
  beforeAll(async () => {
    server = await startOidcServer();
    plugin = await installNpmPlugin(core, 'npm-oauth', {
      packages: ['oauth4webapi'],
      source: await pluginSource('oauth.ts'),
      permissions: [`network:${server.authority}`],
      config: {
        issuer: server.issuer,
        clientId: OIDC_CLIENT.id,
        secret: OIDC_CLIENT.secret,
        redirectUri: OIDC_CLIENT.redirectUri,
      },
    });
  });
  afterAll(() => server?.stop());

  test('a person signs in: code, PKCE, ID token, user info, refresh, revocation, introspection', async () => {
    const { url } = await plugin.ask('/login');
    const callback = await server.signIn(url, 'ada');
    const answer = await plugin.ask('/callback', { url: callback.href });
    expect(answer).toMatchObject({
      claims: { iss: server.issuer, sub: 'ada', aud: OIDC_CLIENT.id, nonce: new URL(url).searchParams.get('nonce') },
      user: { sub: 'ada', email: 'ada@example.com', email_verified: true },
      refreshed: 'bearer',
      active: false,
    });
    const keySet = jose.createRemoteJWKSet(new URL(`${server.issuer}/jwks`));
    expect((await jose.jwtVerify(answer.idToken, keySet)).payload.sub).toBe('ada');
  });

  test('answers that are not for this sign-in are refused', async () => {
    const { url } = await plugin.ask('/login');
    const state = new URL(url).searchParams.get('state');
    const back = (params: Record<string, string>) => `${OIDC_CLIENT.redirectUri}?${new URLSearchParams(params)}`;
    const check = (params: Record<string, string>) => plugin.ask('/validate', { url: back(params), state });
    const iss = server.issuer;
    expect(await check({ code: 'x', state: 'other', iss })).toMatchObject({ code: 'OAUTH_INVALID_RESPONSE' });
    expect(await check({ code: 'x', state: state ?? '', iss: 'https://evil.example' })).toMatchObject({
      code: 'OAUTH_INVALID_RESPONSE',
    });
    expect(await check({ error: 'access_denied', state: state ?? '', iss })).toMatchObject({
      error: 'AuthorizationResponseError',
    });
  });

  test('a program signs in with its own credentials, and not with others', async () => {
    expect(await plugin.ask('/machine')).toEqual({ token_type: 'bearer', expires_in: 600 });
    expect(await plugin.ask('/wrong')).toEqual({ error: 'invalid_client', status: 401 });
  });
});

describe('xmldsigjs with @xmldom/xmldom, against xml-crypto', () => {
  const XML =
    '<a:doc xmlns:a="urn:a" Id="a1"><a:total currency="EUR">12&amp;50</a:total>\n  <b xmlns="urn:b"/></a:doc>';
  const pem = (jwk: JsonWebKey) => createPublicKey({ key: jwk, format: 'jwk' }).export({ type: 'spki', format: 'pem' });
  let plugin: NpmPlugin;
  beforeAll(async () => {
    plugin = await installNpmPlugin(core, 'npm-xml', {
      packages: ['@xmldom/xmldom', 'xmldsigjs'],
      source: await pluginSource('xml.ts'),
    });
  });

  test('what it signs verifies elsewhere, unless it was changed', async () => {
    const { privateKey, publicKey } = rsa();
    const { xml } = await plugin.ask('/sign', { kind: 'RSA', xml: XML, jwk: privateKey });
    const judge = (text: string): boolean => {
      const signature = /<ds:Signature[\s\S]*<\/ds:Signature>/.exec(text)?.[0] ?? '';
      const checker = new SignedXml({ publicCert: pem(publicKey) });
      checker.loadSignature(signature);
      try {
        return checker.checkSignature(text);
      } catch (error) {
        if (/invalid signature/.test(String(error))) return false;
        throw error;
      }
    };
    expect(judge(xml)).toBe(true);
    expect(judge(xml.replace('12&amp;50', '99&amp;50'))).toBe(false);
  });

  test('what was signed elsewhere verifies, unless it was changed', async () => {
    const pair = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const signer = new SignedXml({
      privateKey: pair.privateKey.export({ type: 'pkcs8', format: 'pem' }),
      canonicalizationAlgorithm: 'http://www.w3.org/2001/10/xml-exc-c14n#',
      signatureAlgorithm: 'http://www.w3.org/2001/04/xmldsig-more#rsa-sha256',
    });
    signer.addReference({
      xpath: "//*[local-name(.)='doc']",
      digestAlgorithm: 'http://www.w3.org/2001/04/xmlenc#sha256',
      transforms: ['http://www.w3.org/2000/09/xmldsig#enveloped-signature', 'http://www.w3.org/2001/10/xml-exc-c14n#'],
    });
    signer.computeSignature(XML);
    const xml = signer.getSignedXml();
    const { publicKey } = jwkPair(pair);
    const check = (text: string, jwk = publicKey) => plugin.ask('/verify', { kind: 'RSA', xml: text, jwk });
    expect(await check(xml)).toEqual({ valid: true });
    expect((await check(xml.replace('EUR', 'USD'))).valid).toBe(false);
    expect((await check(xml, rsa().publicKey)).valid).toBe(false);
    expect(await check(XML)).toEqual({ valid: false, reason: 'unsigned' });
  });

  test('ECDSA, with the key in the signature', async () => {
    const { privateKey, publicKey } = ec();
    const { xml } = await plugin.ask('/sign', { kind: 'ECDSA', xml: XML, jwk: privateKey, keyValue: publicKey });
    const check = (text: string) => plugin.ask('/verify', { kind: 'ECDSA', xml: text });
    expect(xml).toContain(Buffer.from(publicKey.x ?? '', 'base64url').toString('base64'));
    expect(await check(xml)).toEqual({ valid: true });
    expect((await check(xml.replace('EUR', 'USD'))).valid).toBe(false);
  });
});
