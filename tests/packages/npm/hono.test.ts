import { afterAll, beforeAll, expect, setDefaultTimeout, test } from 'bun:test';
import { EventSourceParserStream } from 'eventsource-parser/stream';
import { installNpmPlugin, pluginSource } from '../../kit/npm-plugin.ts';
import { type RunningCore, startCore } from '../../kit/start-core.ts';

// Hono, mounted with api.mount: what its own tests take for granted, through the gateway and a real isolate.

setDefaultTimeout(60_000);

let core: RunningCore;
let base: string;
beforeAll(async () => {
  core = await startCore();
  const { url } = await installNpmPlugin(core, 'npm-hono', {
    packages: ['hono'],
    source: await pluginSource('hono.ts'),
  });
  base = `${url}/app`;
});
afterAll(async () => {
  await core?.stop();
});

const get = (path: string, headers: Record<string, string> = {}) => fetch(base + path, { headers });
const post = (path: string, body: BodyInit, headers: Record<string, string> = {}) =>
  fetch(base + path, { method: 'POST', body, headers });

test('routes, parameters, queries and sub-apps', async () => {
  expect(await (await get('/users?page=3&tag=a&tag=b')).json()).toEqual({ page: 3, tags: ['a', 'b'] });
  expect(await (await get('/users/42')).json()).toEqual({ id: 42 });
  expect(await (await get('/users/%C3%A4da/posts/7')).json()).toEqual({ name: 'äda', post: '7' });
  expect(await (await get('/users/ada/posts')).json()).toEqual({ name: 'ada' });
  expect((await fetch(`${base}/users/42`, { method: 'DELETE' })).status).toBe(204);
  const missing = await get('/users/ada');
  expect([missing.status, await missing.json()]).toEqual([404, { missing: '/users/ada' }]);
});

test('what is not below the mount point stays with the plugin', async () => {
  expect(await (await fetch(base.replace(/app$/, 'own'))).json()).toEqual({ from: 'streamspace' });
});

test('JSON bodies are validated by its validator', async () => {
  const headers = { 'content-type': 'application/json' };
  const made = await post('/users', '{"name":"Ada","more":1}', headers);
  expect([made.status, await made.json()]).toEqual([201, { name: 'Ada' }]);
  const wrong = await post('/users', '{"name":1}', headers);
  expect([wrong.status, await wrong.json()]).toEqual([422, { error: 'name' }]);
  expect((await post('/users', '{"name":', headers)).status).toBe(400);
});

test('middleware runs around the handlers, in order', async () => {
  const answer = await get('/timed/now');
  expect([await answer.text(), answer.headers.get('x-order')]).toEqual(['outer', 'outer,inner']);
  expect(answer.headers.get('x-frame-options')).toBe('SAMEORIGIN');
});

test('CORS, ETags and cookies', async () => {
  const shared = await get('/cors/data', { origin: 'https://app.example' });
  expect(shared.headers.get('access-control-allow-origin')).toBe('https://app.example');
  const page = await get('/etag/page');
  const etag = page.headers.get('etag') ?? '';
  expect(etag).toBe(`"${new Bun.CryptoHasher('sha1').update('the same each time').digest('hex')}"`);
  expect((await get('/etag/page', { 'if-none-match': etag })).status).toBe(304);
  const cookie = await get('/cookie', { cookie: 'theme=light' });
  expect(await cookie.json()).toEqual({ had: 'light' });
  expect(cookie.headers.getSetCookie()[0]).toMatch(/^theme=dark; .*HttpOnly/);
});

test('bearer auth, with a header that is not the one of the core', async () => {
  const answer = await get('/private/page', { 'x-api-key': 'lovelace' });
  expect([answer.status, await answer.text()]).toEqual([200, 'hello ada']);
  expect((await get('/private/page', { 'x-api-key': 'byron' })).status).toBe(401);
  expect((await get('/private/page', { authorization: 'lovelace' })).status).toBe(401);
});

test('html`` escapes', async () => {
  const page = await get('/page?name=%3Cscript%3E');
  expect([page.headers.get('content-type'), await page.text()]).toEqual([
    'text/html; charset=UTF-8',
    '<p>&lt;script&gt;</p>',
  ]);
});

test('forms with files', async () => {
  const form = new FormData();
  form.append('title', 'a ü');
  form.append('file', new File(['one\ntwo'], 'notes.txt', { type: 'text/plain' }));
  expect(await (await post('/form', form)).json()).toEqual({
    title: 'a ü',
    file: ['notes.txt', expect.stringMatching(/^text\/plain/), 'one\ntwo'],
  });
});

test('bodies stream in and out', async () => {
  const megabytes = new Uint8Array(2_000_000);
  expect(await (await post('/count', new Blob([megabytes]).stream())).json()).toEqual({ bytes: 2_000_000 });
  const out = await (await get('/stream')).text();
  expect(out).toBe(`${'x'.repeat(10_000)}\n`.repeat(50));
});

test('server-sent events', async () => {
  const answer = await get('/events');
  expect(answer.headers.get('content-type')).toMatch(/^text\/event-stream/);
  const events = answer.body?.pipeThrough(new TextDecoderStream()).pipeThrough(new EventSourceParserStream());
  const seen: unknown[] = [];
  for await (const { id, event, data } of events ?? []) seen.push([id, event, JSON.parse(data)]);
  expect(seen).toEqual(['1', '2', '3'].map((id) => [id, 'tick', { id }]));
});

test('errors: its exceptions and what its handlers throw', async () => {
  const teapot = await get('/teapot');
  expect([teapot.status, await teapot.text()]).toEqual([418, 'short and stout']);
  const boom = await get('/boom');
  expect([boom.status, await boom.json()]).toEqual([500, { caught: 'boom' }]);
});
