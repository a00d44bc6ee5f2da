import { startFauxqs } from 'fauxqs';
import { judgeSignature } from './sigv4.ts';

export const S3_KEYS = { id: 'AKIDSTREAMSPACE', secret: 'a secret access key of the tests' } as const;

export interface S3Server {
  readonly endpoint: string;
  /** `host:port`, as the permission `network:<host:port>` names it. */
  readonly authority: string;
  stop(): Promise<void>;
}

/**
 * An S3 on a free local port: `fauxqs` behind a front that checks each signature, since `fauxqs` takes any.
 * @param buckets made at once
 */
export async function startS3Server(buckets: readonly string[]): Promise<S3Server> {
  const store = await startFauxqs({ port: 0, logger: false });
  for (const bucket of buckets) store.createBucket(bucket);
  const front = Bun.serve({
    port: 0,
    hostname: '127.0.0.1',
    async fetch(request) {
      const target = request.url.slice(request.url.indexOf('/', 'http://'.length));
      const headers = Object.fromEntries(request.headers);
      const body = await request.bytes();
      const wrong = judgeSignature({ method: request.method, target, headers, body }, { [S3_KEYS.id]: S3_KEYS.secret });
      if (wrong !== null) return refusal(wrong);
      const hasBody = request.method === 'PUT' || request.method === 'POST';
      return fetch(`http://127.0.0.1:${store.port}${target}`, {
        method: request.method,
        headers,
        ...(hasBody && { body }),
      });
    },
  });
  const authority = `127.0.0.1:${front.port}`;
  return {
    endpoint: `http://${authority}`,
    authority,
    async stop() {
      await front.stop(true);
      await store.stop();
    },
  };
}

function refusal(code: string): Response {
  const xml = `<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>${code}</Code><Message>refused</Message></Error>`;
  return new Response(xml, { status: 403, headers: { 'content-type': 'application/xml' } });
}
