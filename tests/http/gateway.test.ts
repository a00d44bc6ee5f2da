import { describe, expect, test } from 'bun:test';
import type { RouteRegistration } from '../../sandbox-apis/_kit/registrations.ts';
import type { Principal } from '../../src/auth/principal.ts';
import type { Auth } from '../../src/auth/service.ts';
import type { InvokeAnswer, InvokeRequest } from '../../src/host/guest.ts';
import { createGateway } from '../../src/http/gateway.ts';
import { createLog } from '../../src/log.ts';
import { createMetrics } from '../../src/metrics/metrics.ts';
import type { Instance } from '../../src/plugins/instance.ts';
import type { Lifecycle } from '../../src/plugins/lifecycle.ts';
import { Plugin } from '../../src/plugins/plugin.ts';
import { RegistrationSet } from '../../src/plugins/registrations.ts';
import type { PluginRow } from '../../src/plugins/store.ts';
import { fakeGuest } from '../kit/fake-guest.ts';

// The gateway over a plugin that answers whatever the test says, as a guest that left its prelude could.

const ROUTE: RouteRegistration = {
  kind: 'route',
  handler: 1,
  method: 'ALL',
  path: '/*',
  auth: 'public',
  permissions: [],
  rateLimit: null,
  validation: null,
  summary: null,
};
const USER = { userId: 'u1', email: 'u@example.com', name: 'U', role: 'user', permissions: [] } as unknown as Principal;
const SERVER = { requestIP: () => ({ address: '192.0.2.1', family: 'IPv4', port: 1 }) } as never;

interface Rig {
  readonly plugin: Plugin;
  readonly calls: InvokeRequest[];
  readonly told: string[];
  readonly logged: Record<string, unknown>[];
  get(path: string, init?: RequestInit): Promise<Response> | null;
}

function rig(answer: string | (() => Promise<InvokeAnswer>), route: Partial<RouteRegistration> = {}): Rig {
  const calls: InvokeRequest[] = [];
  const told: string[] = [];
  const logged: Record<string, unknown>[] = [];
  const registrations = new RegistrationSet();
  registrations.add({ ...ROUTE, ...route });
  const { guest } = fakeGuest();
  guest.invoke = async (request) => {
    calls.push(request);
    return typeof answer === 'string' ? { head: answer, body: Buffer.from('body'), sent: null } : answer();
  };
  const instance = {
    name: 'target',
    guest,
    registrations,
    limits: { wallMsPerCall: 1_000, responseBytes: 1_000 },
    admit: () => undefined,
    parts: { log: (_level: string, message: string) => told.push(message) },
  } as unknown as Instance;
  const plugin = new Plugin({ name: 'target' } as PluginRow, null, null);
  plugin.state = { kind: 'active', instance, reloadFailure: null };
  const auth = {
    resolvePrincipal: () => null,
    authenticate: ({ headers }: Request) => (headers.has('x-user') ? USER : null),
  } as unknown as Auth;
  const gateway = createGateway({
    lifecycle: { byPrefix: (prefix: string) => (prefix === 'target' ? plugin : undefined) } as Lifecycle,
    auth,
    log: createLog('info', { write: (line) => logged.push(JSON.parse(line)) }),
    metrics: createMetrics(),
    switches: { isOff: () => false },
    trustProxy: 0,
  });
  const get: Rig['get'] = (path, init) => {
    const answered = gateway.handle(new Request(`http://core.example${path}`, init), SERVER);
    return answered === null ? null : Promise.resolve(answered);
  };
  return { plugin, calls, told, logged, get };
}

const head = (s: unknown, h: unknown = [], more: object = {}): string => JSON.stringify({ s, h, ...more });
const OK = head(200);

describe('addresses', () => {
  test.each([
    '/api/plugins/target',
    '/api/plugins/target?x=/y',
    '/api/plugins/nobody/x',
    '/api/plugin/target/x',
    '/api/pluginstarget/x',
    '/x/api/plugins/target/y',
    '/API/plugins/target/x',
    '/api/plugins//x',
    '/api/plugins/Target/x',
    '/api/plugins/tar%67et/x',
    ...['logs', 'metrics', 'enable', 'disable', 'reload', 'deliveries', 'versions', 'upgrade', 'rollback'].flatMap(
      (name) => [
        `/api/plugins/target/${name}`,
        `/api/plugins/target/${name}/`,
        `/api/plugins/target/${name}?x=1`,
        `/api/plugins/target/${name}/below`,
      ],
    ),
  ])('%s is left to the core', (path) => {
    const { get, calls } = rig(OK);
    expect(get(path)).toBeNull();
    expect(calls).toEqual([]);
  });

  test.each([
    '/api/plugins/target/',
    '/api/plugins/target/logs-of-mine',
    '/api/plugins/target/x/logs',
    '/api/plugins/target/%6cogs',
  ])('%s is of the plugin', async (path) => {
    const { get, calls } = rig(OK);
    expect((await get(path))?.status).toBe(200);
    expect(calls).toHaveLength(1);
  });

  test('a slash at the end is the same address', async () => {
    const { get, calls } = rig(OK, { path: '/a/:b' });
    expect((await get('/api/plugins/target/a/x/'))?.status).toBe(200);
    expect(JSON.parse(calls[0]?.payload ?? '').p).toEqual({ b: 'x' });
    expect((await get('/api/plugins/target/a/x//'))?.status).toBe(404);
  });

  test.each(['%2f', '%2F', '%5c', '%00', '%ff', '%', '%zz'])('a parameter with %s is refused', async (text) => {
    const { get, calls } = rig(OK, { path: '/:name' });
    expect((await get(`/api/plugins/target/a${text}b`))?.status).toBe(400);
    expect(calls).toEqual([]);
  });
});

describe('an answer that is not valid is 502, and said in the log of the plugin', () => {
  test.each([
    ['no JSON', 'x'],
    ['nothing', ''],
    ['too deep', '['.repeat(1_000) + ']'.repeat(1_000)],
    ['no status', '{"h":[]}'],
    ['a status below 200', head(101)],
    ['a status of three digits and more', head(1000)],
    ['a status that is no number', head('200')],
    ['headers that are no list', head(200, {})],
    ['a header that is no pair', head(200, [['x']])],
    ['a header name with a line break', head(200, [['x\r\nset-cookie', 'a=b']])],
    ['a header name with a colon', head(200, [['x:', 'y']])],
    ['an empty header name', head(200, [['', 'y']])],
    ['a header value with CR', head(200, [['x', 'a\rb']])],
    ['a header value with LF', head(200, [['x', 'a\nset-cookie: streamspace=1']])],
    ['a header value with NUL', head(200, [['x', 'a\0b']])],
    ['a header value without end', head(200, [['x', 'y'.repeat(20_000)]])],
    ['too many headers', head(200, Array(201).fill(['x', 'y']))],
    ['a stream that is no number', head(200, [], { stream: 'x' })],
    ['a stream beyond all ids', head(200, [], { stream: 1e300 })],
  ])('%s', async (_what, text) => {
    const { get, told } = rig(text);
    const response = await get('/api/plugins/target/x');
    expect(response?.status).toBe(502);
    expect(await response?.json()).toMatchObject({ code: 'plugin_bad_answer' });
    expect(told).toEqual(['A handler gave an answer that is not valid']);
  });

  test('a stream that another answer is made of already', async () => {
    const { get, told, logged } = rig(head(200, [], { stream: 5 }));
    const [first, second] = [await get('/api/plugins/target/x'), await get('/api/plugins/target/x')];
    expect([first?.status, second?.status]).toEqual([200, 502]);
    expect([told.length, logged.length]).toEqual([1, 0]);
    await first?.body?.cancel();
  });

  test('a character that no header can carry is an error too, and not of the core alone', async () => {
    const { get } = rig(head(200, [['x', 'snow ☃']]));
    expect([500, 502]).toContain((await get('/api/plugins/target/x'))?.status as number);
  });
});

test('what is remembered of an answer is not changed by one that uses it', async () => {
  const { get } = rig(head(200, [['x-own', 'a']]), { rateLimit: { max: 5, windowMs: 60_000 } });
  const first = await get('/api/plugins/target/x');
  first?.headers.set('x-own', 'changed');
  const second = await get('/api/plugins/target/x');
  expect(second?.headers.get('x-own')).toBe('a');
  expect(first?.headers.get('ratelimit')).toContain('r=4');
  expect(second?.headers.get('ratelimit')).toContain('r=3');
});

test('a rate is counted by user, else by address', async () => {
  const { get } = rig(OK, { rateLimit: { max: 1, windowMs: 60_000 }, auth: 'user' });
  const asUser = { headers: { 'x-user': 'yes' } };
  expect((await get('/api/plugins/target/x', asUser))?.status).toBe(200);
  expect((await get('/api/plugins/target/x', asUser))?.status).toBe(429);
  const open = rig(OK, { rateLimit: { max: 1, windowMs: 60_000 } });
  expect((await open.get('/api/plugins/target/x'))?.status).toBe(200);
  // Nobody trusts what the client says of itself.
  const forged = { headers: { 'x-forwarded-for': '198.51.100.7' } };
  expect((await open.get('/api/plugins/target/x', forged))?.status).toBe(429);
});

test('a refusal comes before the rate is spent and the body read', async () => {
  const { get, calls } = rig(OK, { rateLimit: { max: 1, windowMs: 60_000 }, auth: 'user' });
  for (let round = 0; round < 3; round += 1) expect((await get('/api/plugins/target/x'))?.status).toBe(401);
  expect((await get('/api/plugins/target/x', { headers: { 'x-user': 'yes' } }))?.status).toBe(200);
  expect(calls).toHaveLength(1);
});

test('an error of the core’s own is 500 with an id, and its text stays in the log', async () => {
  const { get, logged } = rig(() => Promise.reject(new Error('at /srv/secret')));
  const response = (await get('/api/plugins/target/x')) as Response;
  expect(response.status).toBe(500);
  const { code, errorId, ...rest } = (await response.json()) as Record<string, unknown>;
  expect(code).toBe('internal');
  expect(JSON.stringify(rest)).not.toContain('secret');
  expect(logged).toMatchObject([{ level: 'error', errorId }]);
});

describe('a plugin that is not there', () => {
  test.each([
    [{ kind: 'installed' }, 404, 'plugin_disabled'],
    [{ kind: 'quarantined', reason: 'it looped' }, 503, 'plugin_quarantined'],
    [{ kind: 'failed', failure: { code: 'x', message: 'm', stack: null, at: '' } }, 503, 'plugin_unavailable'],
  ] as const)('%j answers %d', async (state, status, code) => {
    const { get, plugin } = rig(OK);
    plugin.state = state;
    const response = await get('/api/plugins/target/x');
    expect(response?.status).toBe(status);
    expect(await response?.json()).toMatchObject({ code });
    if (code === 'plugin_unavailable') expect(response?.headers.get('retry-after')).toBe('30');
  });

  test('while it is on its way requests wait, and are answered when it is there', async () => {
    const { get, plugin } = rig(OK);
    const { state } = plugin;
    plugin.state = { kind: 'loading' };
    const waiting = [1, 2, 3].map(() => get('/api/plugins/target/x'));
    plugin.state = state;
    expect((await Promise.all(waiting)).map((response) => response?.status)).toEqual([200, 200, 200]);
  });
});
