import { definePlugin } from '@streamspace/sdk';
import * as jose from 'jose';

const open = { auth: 'public' } as const;
const decoder = new TextDecoder();

/** What an error says, as a program would look at it. */
async function outcome(work: () => Promise<object>): Promise<object> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof jose.errors.JOSEError) return { error: error.code };
    throw error;
  }
}

export default definePlugin({
  onLoad({ api }) {
    api.post(
      '/sign',
      async (request) => {
        const { alg, jwk, claims } = (await request.json()) as { alg: string; jwk: jose.JWK; claims: jose.JWTPayload };
        const jwt = new jose.SignJWT(claims)
          .setProtectedHeader({ alg, typ: 'JWT' })
          .setIssuedAt()
          .setExpirationTime('2h');
        return { jwt: await jwt.sign(await jose.importJWK(jwk, alg)) };
      },
      open,
    );

    api.post(
      '/verify',
      async (request) => {
        const { alg, jwk, jwt, options } = (await request.json()) as {
          alg: string;
          jwk: jose.JWK;
          jwt: string;
          options: jose.JWTVerifyOptions & { now?: string };
        };
        const { now, ...rest } = options;
        const key = await jose.importJWK(jwk, alg);
        const currentDate = now === undefined ? new Date() : new Date(now);
        return outcome(async () => ({ claims: (await jose.jwtVerify(jwt, key, { ...rest, currentDate })).payload }));
      },
      open,
    );

    api.post(
      '/jws',
      async (request) => {
        const { jwk, alg, payload } = (await request.json()) as { jwk: jose.JWK; alg: string; payload: string };
        const jws = new jose.CompactSign(new TextEncoder().encode(payload)).setProtectedHeader({ alg });
        return { jws: await jws.sign(await jose.importJWK(jwk, alg)) };
      },
      open,
    );

    api.post(
      '/encrypt',
      async (request) => {
        const { jwk, alg, enc, text } = (await request.json()) as {
          jwk: jose.JWK;
          alg: string;
          enc: string;
          text: string;
        };
        const jwe = new jose.CompactEncrypt(new TextEncoder().encode(text)).setProtectedHeader({ alg, enc });
        return { jwe: await jwe.encrypt(await jose.importJWK(jwk, alg)) };
      },
      open,
    );

    api.post(
      '/decrypt',
      async (request) => {
        const { jwk, alg, jwe } = (await request.json()) as { jwk: jose.JWK; alg: string; jwe: string };
        const key = await jose.importJWK(jwk, alg);
        return outcome(async () => ({ text: decoder.decode((await jose.compactDecrypt(jwe, key)).plaintext) }));
      },
      open,
    );

    api.post(
      '/generate',
      async (request) => {
        const { alg } = (await request.json()) as { alg: string };
        const { publicKey, privateKey } = await jose.generateKeyPair(alg, { extractable: true });
        const jwk = await jose.exportJWK(publicKey);
        const jwt = await new jose.SignJWT({ made: 'inside' }).setProtectedHeader({ alg }).sign(privateKey);
        return { jwk, jwt, thumbprint: await jose.calculateJwkThumbprint(jwk), pem: await jose.exportSPKI(publicKey) };
      },
      open,
    );

    api.post(
      '/remote',
      async (request) => {
        const { jwt, jwks } = (await request.json()) as { jwt: string; jwks: string };
        const keys = jose.createRemoteJWKSet(new URL(jwks));
        return outcome(async () => ({ claims: (await jose.jwtVerify(jwt, keys, { audience: 'plugin' })).payload }));
      },
      open,
    );
  },
});
