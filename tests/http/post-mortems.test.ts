import { afterAll, beforeAll, expect, test } from 'bun:test';
import type { AnyElysia } from 'elysia';
import { CodedError } from '../../sandbox-apis/_kit/errors.ts';
import { RESERVED_SEGMENTS } from '../../sandbox-apis/api/broker.ts';
import { createApp } from '../../src/app.ts';
import { CallTrail } from '../../src/broker/call-trail.ts';
import { postMortemRoutes } from '../../src/http/post-mortems.ts';
import { createPostMortems } from '../../src/post-mortems/post-mortems.ts';
import type { PostMortemFacts } from '../../src/post-mortems/record.ts';
import { createRedactor } from '../../src/secrets/redact.ts';
import { installPlugin } from '../events/plugins.ts';
import { startApp, type TestApp } from '../kit/app.ts';

const FACTS: PostMortemFacts = {
  plugin: 'billing',
  version: '1.2.3',
  cause: 'host',
  verdict: 'suspect',
  outcome: 'reloaded',
  detail: 'Its process was lost',
  host: { pid: 4711, placement: 'unverified-1', rssBytes: 1e8 },
  underWay: [{ what: 'GET /loop', ms: 512 }],
  lastCalls: [
    {
      call: 'fetch.request',
      permission: 'network:example.com',
      at: '2026-11-21T10:00:00.000Z',
      ms: 0.5,
      outcome: 'network_failed',
    },
  ],
  heap: { usedBytes: 1e6, limitBytes: 1e7, cpuMs: 700 },
  stack: null,
};

let base: TestApp;
let app: AnyElysia;
let admin: string;
let user: string;

beforeAll(async () => {
  base = await startApp();
  const { db, deps } = base;
  const postMortems = createPostMortems({ db, log: deps.log, redactor: createRedactor(), trail: new CallTrail() });
  const resolvePluginName = (id: string): string => {
    if (id !== 'billing' && id !== '7') throw new CodedError('plugin_not_found', `No plugin ${id}`);
    return 'billing';
  };
  app = createApp({ ...deps, routes: [postMortemRoutes({ auth: deps.auth, postMortems, resolvePluginName })] });
  await base.makeUser({ email: 'root@example.com', role: 'admin' });
  await base.makeUser({ email: 'ada@example.com' });
  admin = (await base.signIn('root@example.com')).token;
  user = (await base.signIn('ada@example.com')).token;
  await installPlugin(db, 'billing');
  for (let at = 1; at <= 3; at += 1) await postMortems.write({ ...FACTS, detail: `no ${at}` });
});
afterAll(() => base.stop());

async function get(path: string, token: string | null = admin) {
  const headers = token === null ? {} : { authorization: `Bearer ${token}` };
  const response = await app.handle(new Request(`http://localhost/api/plugins/${path}`, { headers }));
  return { status: response.status, body: await response.json() };
}

test('they are listed newest first, page by page, by name or number of the plugin', async () => {
  const first = await get('billing/post-mortems?limit=2');
  expect(first).toMatchObject({ status: 200, body: { items: [{ detail: 'no 3' }, { detail: 'no 2' }] } });
  expect(first.body.items[0]).not.toHaveProperty('lastCalls');
  const second = await get(`billing/post-mortems?limit=2&before=${first.body.nextCursor}`);
  expect(second).toMatchObject({ status: 200, body: { items: [{ detail: 'no 1' }], nextCursor: null } });
  expect((await get('7/post-mortems')).body.items).toHaveLength(3);
});

test('one is told in full', async () => {
  const [{ id, at }] = (await get('billing/post-mortems')).body.items;
  expect(await get(`billing/post-mortems/${id}`)).toEqual({
    status: 200,
    body: { ...FACTS, id, at, detail: 'no 3' },
  });
});

test('what is not there is not found, what is no number is refused', async () => {
  expect(await get('ghost/post-mortems')).toMatchObject({ status: 404, body: { code: 'plugin_not_found' } });
  expect(await get('billing/post-mortems/999999')).toMatchObject({ status: 404, body: { code: 'not_found' } });
  for (const path of ['?limit=0', '?limit=51', '?limit=x', '?before=0', '/x', '/0', '/1.5', '/99999999999999999999']) {
    expect((await get(`billing/post-mortems${path}`)).status).toBe(422);
  }
});

test('they are for admins', async () => {
  for (const path of ['billing/post-mortems', 'billing/post-mortems/1']) {
    expect((await get(path, null)).status).toBe(401);
    expect((await get(path, user)).status).toBe(403);
  }
});

test('no plugin can put an endpoint in their place', () => {
  expect(RESERVED_SEGMENTS.has('post-mortems')).toBe(true);
});

test('they are in the OpenAPI document', async () => {
  const response = await app.handle(new Request('http://localhost/api/openapi.json'));
  const { paths } = await response.json();
  expect(paths['/api/plugins/{id}/post-mortems'].get.summary).toBeString();
  const { properties } =
    paths['/api/plugins/{id}/post-mortems/{postMortem}'].get.responses['200'].content['application/json'].schema;
  expect(properties.cause.enum).toContain('deadline');
  expect(Object.keys(properties)).toContain('lastCalls');
});
