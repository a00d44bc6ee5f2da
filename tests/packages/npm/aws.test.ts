import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { S3Client } from 'bun';
import { installNpmPlugin, type NpmPlugin, pluginSource } from '../../kit/npm-plugin.ts';
import { S3_KEYS, type S3Server, startS3Server } from '../../kit/s3-server.ts';
import { judgeSignature } from '../../kit/sigv4.ts';
import { type RunningCore, startCore } from '../../kit/start-core.ts';

// Clients of S3, against an S3 that checks each signature; what they store is read with Bun's own client.

setDefaultTimeout(60_000);

let core: RunningCore;
let s3: S3Server;
beforeAll(async () => {
  [core, s3] = await Promise.all([startCore(), startS3Server(['aws4fetch', 'client-s3'])]);
});
afterAll(async () => {
  await core?.stop();
  await s3?.stop();
});

const config = () => ({ endpoint: s3.endpoint, accessKeyId: S3_KEYS.id, secretAccessKey: S3_KEYS.secret });
const bun = (bucket: string) => new S3Client({ ...config(), bucket, region: 'eu-central-1' });

/** The example of "Authenticating Requests: Using the Authorization Header" in the API reference of S3. */
const EXAMPLE = {
  accessKeyId: 'AKIAIOSFODNN7EXAMPLE',
  secretAccessKey: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY',
  signature: 'f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41',
};

test('the check of signatures is itself right: the published example passes, and nothing else', () => {
  const emptyDigest = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';
  const request = (signature: string) => ({
    method: 'GET',
    target: '/test.txt',
    headers: {
      host: 'examplebucket.s3.amazonaws.com',
      range: 'bytes=0-9',
      'x-amz-content-sha256': emptyDigest,
      'x-amz-date': '20130524T000000Z',
      authorization:
        `AWS4-HMAC-SHA256 Credential=${EXAMPLE.accessKeyId}/20130524/us-east-1/s3/aws4_request, ` +
        `SignedHeaders=host;range;x-amz-content-sha256;x-amz-date, Signature=${signature}`,
    },
    body: new Uint8Array(),
  });
  const keys = { [EXAMPLE.accessKeyId]: EXAMPLE.secretAccessKey };
  const { signature } = EXAMPLE;
  expect(judgeSignature(request(signature), keys)).toBeNull();
  expect(judgeSignature({ ...request(signature), method: 'PUT' }, keys)).toBe('SignatureDoesNotMatch');
  expect(judgeSignature({ ...request(signature), body: Buffer.from('x') }, keys)).toBe('XAmzContentSHA256Mismatch');
  expect(judgeSignature(request(signature), {})).toBe('InvalidAccessKeyId');
  expect(judgeSignature({ ...request(signature), headers: {} }, keys)).toBe('AccessDenied');
});

describe('aws4fetch', () => {
  let plugin: NpmPlugin;
  beforeAll(async () => {
    plugin = await installNpmPlugin(core, 'npm-aws4fetch', {
      packages: ['aws4fetch'],
      source: await pluginSource('aws4fetch.ts'),
      permissions: [`network:${s3.authority}`],
      config: config(),
    });
  });

  test('signs get-vanilla of the SigV4 test suite as published', async () => {
    const { authorization } = await plugin.ask('/sign', {
      url: 'https://example.amazonaws.com/',
      accessKeyId: 'AKIDEXAMPLE',
      secretAccessKey: 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY',
      service: 'service',
      region: 'us-east-1',
      datetime: '20150830T123600Z',
    });
    expect(authorization).toBe(
      'AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, ' +
        'SignedHeaders=host;x-amz-date, Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31',
    );
  });

  test('presigns the example of the API reference of S3', async () => {
    const { accessKeyId, secretAccessKey } = EXAMPLE;
    const { url } = await plugin.ask('/sign', {
      url: 'https://examplebucket.s3.amazonaws.com/test.txt',
      accessKeyId,
      secretAccessKey,
      service: 's3',
      region: 'us-east-1',
      datetime: '20130524T000000Z',
      signQuery: true,
    });
    expect(new URL(url).searchParams.get('X-Amz-Signature')).toBe(
      'aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404',
    );
  });

  test('stores, reads, lists, presigns; a wrong key is refused', async () => {
    expect(await plugin.ask('/store')).toEqual({
      put: 200,
      text: 'grüße',
      keys: ['notes/a file (1).txt'],
      presigned: 'grüße',
      wrong: 403,
    });
    expect(await bun('aws4fetch').file('notes/a file (1).txt').text()).toBe('grüße');
  });
});

describe('@aws-sdk/client-s3', () => {
  let plugin: NpmPlugin;
  beforeAll(async () => {
    plugin = await installNpmPlugin(core, 'npm-client-s3', {
      packages: ['@aws-sdk/client-s3'],
      source: await pluginSource('s3.ts'),
      permissions: [`network:${s3.authority}`],
      config: config(),
    });
  });

  test('puts and gets text, bytes, ranges and metadata', async () => {
    expect(await plugin.ask('/objects')).toEqual({
      etag: `"${new Bun.CryptoHasher('md5').update('grüße').digest('hex')}"`,
      text: 'grüße',
      type: 'text/plain',
      meta: { by: 'plugin' },
      length: 7,
      modified: true,
      range: [250, 0, 1],
      same: true,
    });
    const stored = await bun('client-s3').file('bytes').bytes();
    expect(stored).toEqual(Uint8Array.from({ length: 100_000 }, (_, i) => i % 251));
  });

  test('lists by pages and deletes many at once', async () => {
    const keys = [0, 1, 2, 3, 4].map((i) => `list/${i}`);
    expect(await plugin.ask('/pages')).toEqual({
      pages: [keys.slice(0, 2), keys.slice(2, 4), keys.slice(4)],
      deleted: keys,
    });
    expect((await bun('client-s3').list({ prefix: 'list/' })).contents ?? []).toEqual([]);
  });

  test('uploads in parts', async () => {
    const { etag } = await plugin.ask('/multipart');
    expect(etag).toMatch(/^"[0-9a-f]{32}-2"$/);
    const stored = await bun('client-s3').file('large').bytes();
    expect([stored.length, stored[0], stored.at(-1)]).toEqual([5 * 1024 * 1024 + 1_000, 1, 2]);
  });

  test('errors are those of the service', async () => {
    expect(await plugin.ask('/errors')).toEqual({ missing: true, refused: ['SignatureDoesNotMatch', 403] });
  });
});
