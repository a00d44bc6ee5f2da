import { beforeAll, expect, test } from 'bun:test';
import { createFileUrls, type FileLink } from '../../src/files/urls.ts';
import { createFileLinks, type FileLinksDeps } from '../../src/http/files.ts';
import { createLog } from '../../src/log.ts';
import { memoryFiles } from '../kit/memory-files.ts';

const files = memoryFiles();
const urls = createFileUrls(() => new Uint8Array(32), null);
const row = { id: 7, enabled: true, grants: ['files'] as readonly string[] };
let isOff = false;
const links = createFileLinks({
  files,
  urls,
  lifecycle: {
    get: (name: string) => (name === 'shop' ? { row } : undefined),
  } as unknown as FileLinksDeps['lifecycle'],
  switches: { isOff: () => isOff },
  log: createLog('silent'),
  metrics: { http: { observe: () => undefined } } as unknown as FileLinksDeps['metrics'],
});
const now = Math.floor(Date.now() / 1_000);
const link: FileLink = { plugin: 'shop', installation: 7, path: 'a/b', expires: now + 1_000, download: false };

async function ask(of: Partial<FileLink>, init: RequestInit = {}): Promise<Response> {
  const response = links.handle(new Request(`http://localhost${urls.sign({ ...link, ...of })}`, init));
  return response ?? Promise.reject(new Error('not ours'));
}
const refusal = async (of: Partial<FileLink>, init?: RequestInit) => {
  const response = await ask(of, init);
  expect(response.headers.get('content-type')).toBe('application/problem+json');
  return [response.status, (await response.json()).code];
};

beforeAll(async () => {
  const file = { contentType: 'text/plain', metadata: {}, size: null };
  await files.put('shop', 'a/b', new TextEncoder().encode('content'), file, new AbortController().signal);
});

test('a link gives its file, for as long as it was made for', async () => {
  expect(await (await ask({})).text()).toBe('content');
  expect(await refusal({ expires: now })).toEqual([403, 'forbidden']);
  expect(await refusal({ expires: 0 })).toEqual([403, 'forbidden']);
});

test('nothing else is answered here', () => {
  for (const path of ['/', '/file/x', '/api/files/x', '/filesystem']) {
    expect(links.handle(new Request(`http://localhost${path}`))).toBeNull();
  }
});

test('what is no token is refused before anything is looked up', async () => {
  for (const token of ['', 'x', '../../api/users', 'a/b', '%2e%2e', 'é', `${'A'.repeat(100)}?x=1`]) {
    const response = await links.handle(new Request(`http://localhost/files/${token}`));
    if (response === null) continue;
    expect([response.status, (await response.json()).code]).toEqual([403, 'forbidden']);
  }
});

test('a link of a plugin that is gone, another installation, disabled or without the permission is none', async () => {
  expect(await refusal({ plugin: 'gone' })).toEqual([404, 'not_found']);
  expect(await refusal({ installation: 6 })).toEqual([404, 'not_found']);
  expect(await refusal({ path: 'a' })).toEqual([404, 'not_found']);
  row.enabled = false;
  expect(await refusal({})).toEqual([404, 'not_found']);
  row.enabled = true;
  row.grants = [];
  expect(await refusal({})).toEqual([404, 'not_found']);
  row.grants = ['files'];
  isOff = true;
  expect(await refusal({})).toEqual([503, 'capability_off']);
  expect(await refusal({ plugin: 'gone' })).toEqual([404, 'not_found']);
  isOff = false;
  expect((await ask({})).status).toBe(200);
});

test('it is there to be read', async () => {
  const response = await ask({}, { method: 'PUT', body: 'x' });
  expect([response.status, response.headers.get('allow')]).toEqual([405, 'GET, HEAD']);
  const part = await ask({}, { headers: { range: 'bytes=100-' } });
  expect([part.status, part.headers.get('content-range')]).toEqual([416, 'bytes */7']);
});
