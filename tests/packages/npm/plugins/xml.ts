import { definePlugin } from '@streamspace/sdk';
import { DOMParser, XMLSerializer } from '@xmldom/xmldom';
import { Parse, SignedXml } from 'xmldsigjs';

// What a browser has and an isolate has not; xmldsigjs looks for them when it is used.
Object.assign(globalThis, { DOMParser, XMLSerializer });

const RSA = { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' };
const ECDSA = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
const open = { auth: 'public' } as const;

interface Job {
  readonly xml: string;
  readonly kind: 'RSA' | 'ECDSA';
  readonly jwk: JsonWebKey;
  /** Goes into the signature. */
  readonly keyValue?: JsonWebKey;
}

const algorithmOf = ({ kind }: Job) => (kind === 'RSA' ? RSA : ECDSA);

export default definePlugin({
  onLoad({ api }) {
    api.post(
      '/sign',
      async (request) => {
        const job = (await request.json()) as Job;
        const algorithm = algorithmOf(job);
        const key = await crypto.subtle.importKey('jwk', job.jwk, algorithm, false, ['sign']);
        const signed = new SignedXml();
        const { keyValue } = job;
        await signed.Sign(algorithm, key, Parse(job.xml), {
          id: 'sig-1',
          ...(keyValue && { keyValue: await crypto.subtle.importKey('jwk', keyValue, algorithm, true, ['verify']) }),
          references: [{ uri: '#a1', hash: 'SHA-256', transforms: ['enveloped', 'exc-c14n'] }],
        });
        return { xml: signed.toString() };
      },
      open,
    );
    api.post(
      '/verify',
      async (request) => {
        const job = (await request.json()) as Job;
        const document = Parse(job.xml);
        const [signature] = Array.from(
          document.getElementsByTagNameNS('http://www.w3.org/2000/09/xmldsig#', 'Signature'),
        );
        if (signature === undefined) return { valid: false, reason: 'unsigned' };
        const signed = new SignedXml(document);
        signed.LoadXml(signature);
        try {
          // A key of a curve is taken from the signature only: Verify(key) forgets the curve (xmldsigjs 2.8.8).
          if (job.kind === 'ECDSA') return { valid: await signed.Verify() };
          const key = await crypto.subtle.importKey('jwk', job.jwk, algorithmOf(job), true, ['verify']);
          return { valid: await signed.Verify(key) };
        } catch (error) {
          return { valid: false, reason: String(error) };
        }
      },
      open,
    );
  },
});
