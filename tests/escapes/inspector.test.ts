import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { createClient } from '../../src/cli/client.ts';
import { type InspectProxy, startInspectProxy } from '../../src/cli/dev/inspect-proxy.ts';
import { connectCdp } from '../kit/cdp.ts';
import { type Evaluator, installEvaluator } from '../kit/evaluator.ts';
import { install, tryInstall } from '../kit/plugin.ts';
import { rawRequest } from '../kit/raw-http.ts';
import { type RunningCore, startCore } from '../kit/start-core.ts';
import { until } from '../kit/until.ts';

// V8's inspector is all-powerful within an isolate: who gets to it, by which ways, and what of it a plugin sees.

setDefaultTimeout(60_000);

let core: RunningCore;
let user: string;
let narrow: string;
let plugin: Evaluator;

beforeAll(async () => {
  core = await startCore();
  user = await core.signUp('somebody@example.com', 'user', ['users:read', 'users:write']);
  const made = await core.api('POST', '/api/auth/tokens', { body: { name: 'narrow', permissions: ['users:read'] } });
  narrow = made.body.token;
  plugin = await installEvaluator(core, 'watched');
});
afterAll(async () => {
  await core?.stop();
});

const path = '/api/plugins/watched/inspector';
const admin = (): Record<string, string> => ({ authorization: `Bearer ${core.token}` });
const connect = () => connectCdp(core.url + path, admin());
const isOpen = async (): Promise<boolean> => (await core.api('GET', path)).body.open;
const isFree = () => until(async () => !(await isOpen()), 'nobody looks into it');

/** Asks for a WebSocket as a client would; answers the status line and the body. */
async function upgrade(
  headers: Readonly<Record<string, string>>,
  at = path,
): Promise<{ status: number; code: string }> {
  const lines = {
    host: new URL(core.url).host,
    connection: 'Upgrade, close',
    upgrade: 'websocket',
    'sec-websocket-version': '13',
    'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
    ...headers,
  };
  const head = Object.entries(lines).map(([name, value]) => `${name}: ${value}\r\n`);
  const answer = await rawRequest(core.url, `GET ${at} HTTP/1.1\r\n${head.join('')}\r\n`);
  const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(answer)?.[1]);
  return { status, code: /"code":"([a-z_]+)"/.exec(answer)?.[1] ?? '' };
}

describe('who may', () => {
  const ENDPOINTS = [
    ['GET', 'inspector'],
    ['POST', 'profile'],
    ['POST', 'heap-snapshot'],
  ] as const;

  test('nobody without a credential, no user, no token of an admin that was narrowed', async () => {
    for (const [token, status, code] of [
      [null, 401, 'unauthenticated'],
      [user, 403, 'forbidden'],
      [narrow, 403, 'forbidden'],
    ] as const) {
      const headers: Record<string, string> = token === null ? {} : { authorization: `Bearer ${token}` };
      expect(await upgrade(headers)).toEqual({ status, code });
      for (const [method, what] of ENDPOINTS) {
        const answer = await core.api(method, `/api/plugins/watched/${what}`, { token });
        expect([what, answer.status, answer.body.code]).toEqual([what, status, code]);
      }
    }
    expect(await isOpen()).toBe(false);
  });

  test('no page of another origin, whatever credentials it has got hold of', async () => {
    const { body, headers } = await core.api('POST', '/api/auth/login', { body: core.admin, token: null });
    expect(body.token).toBeString();
    const cookie = headers.get('set-cookie')?.split(';')[0] ?? '';
    const foreign = ['https://evil.example', 'null', `${core.url}.evil.example`, 'devtools://devtools'];
    for (const origin of foreign) {
      for (const credential of [{ cookie }, admin()] as Record<string, string>[]) {
        expect(await upgrade({ origin, ...credential })).toEqual({ status: 403, code: 'csrf_failed' });
      }
    }
    expect(await upgrade({ cookie, 'sec-fetch-site': 'cross-site' })).toEqual({ status: 403, code: 'csrf_failed' });
    await using own = await connectCdp(core.url + path, { cookie, origin: core.url });
    await own.call('Runtime.enable');
  });

  test('one at a time, on plugins that are there and enabled', async () => {
    await isFree();
    await using session = await connect();
    await session.call('Runtime.enable');
    expect(await upgrade(admin())).toEqual({ status: 409, code: 'inspector_busy' });
    expect(await upgrade(admin(), '/api/plugins/ghost/inspector')).toEqual({ status: 404, code: 'plugin_not_found' });
    await install(core, { manifest: { name: 'sleeper' }, 'index.ts': 'export default {};' }, { enable: false });
    expect(await upgrade(admin(), '/api/plugins/sleeper/inspector')).toEqual({ status: 404, code: 'plugin_disabled' });
  });

  test('nobody at all when the operator says so', async () => {
    await using strict = await startCore({ env: { STREAMSPACE_INSPECTOR: 'off' } });
    await install(strict, { manifest: { name: 'watched' }, 'index.ts': 'export default {};' });
    for (const [method, what] of ENDPOINTS) {
      const { status, body } = await strict.api(method, `/api/plugins/watched/${what}`);
      expect([what, status, body.code]).toEqual([what, 403, 'inspector_off']);
    }
    const headers = { authorization: `Bearer ${strict.token}` };
    await expect(connectCdp(`${strict.url}${path}`, headers)).rejects.toThrow();
  });

  test('an admin who is one no longer is cut off', async () => {
    await isFree();
    const other = await core.signUp('other@example.com', 'admin');
    const session = await connectCdp(core.url + path, { authorization: `Bearer ${other}` });
    await session.call('Runtime.enable');
    expect((await core.api('POST', '/api/auth/logout', { token: other })).status).toBeLessThan(300);
    expect(await session.closed).toMatchObject({ code: 1008 });
    await isFree();
  });
});

describe('what is sent', () => {
  test('too long, no text or no command: the session ends, the plugin does not', async () => {
    for (const [sent, code] of [
      ['x'.repeat(1_048_577), 1006],
      [new Uint8Array(10), 1003],
      ['hello', 1008],
      ['[1]', 1008],
      ['{"id":1}', 1008],
      ['{"id":"1","method":"Runtime.enable"}', 1008],
      ['{"id":1,"method":"__proto__"}', 1008],
      ['['.repeat(100_000), 1008],
    ] as const) {
      await isFree();
      const session = await connect();
      session.raw(sent);
      const closed = await session.closed;
      // A message that is too long is met with a close frame or, while it is still being sent, with an end.
      expect([1006, 1009].includes(closed.code) ? 1006 : closed.code).toBe(code);
    }
    expect((await plugin.get('/ping')).body).toEqual({ pong: true });
  });

  test('unknown methods are V8’s to refuse', async () => {
    await isFree();
    await using session = await connect();
    await expect(session.call('Target.getTargets')).rejects.toThrow("wasn't found");
    await expect(session.call('NodeWorker.enable')).rejects.toThrow("wasn't found");
    await session.call('Runtime.enable');
  });

  test('what an admin evaluates has the powers of the plugin, and no more', async () => {
    await isFree();
    await using session = await connect();
    await session.call('Runtime.enable');
    const [{ context }] = session.all('Runtime.executionContextCreated');
    const value = async (expression: string): Promise<unknown> => {
      const { result } = await session.call('Runtime.evaluate', { expression, contextId: context.id });
      return result.value;
    };
    expect(await value('[typeof process, typeof require, typeof Bun, typeof boot].join()')).toBe(
      'undefined,undefined,undefined,undefined',
    );
    const endless = session.call('Runtime.evaluate', { expression: 'for(;;);', contextId: context.id });
    endless.catch(() => undefined);
    // It is stopped by its CPU a minute at the latest; its neighbours do not notice.
    await install(core, {
      manifest: { name: 'beside' },
      'index.ts': "export default { onLoad({ api }) { api.get('/', () => 'here', { auth: 'public' }); } };",
    });
    expect((await core.api('GET', '/api/plugins/beside/', { token: null })).body).toBe('here');
    expect((await core.api('POST', '/api/plugins/watched/reload')).status).toBe(200);
    await session.closed;
    expect((await plugin.get('/ping')).status).toBe(200);
  });
});

describe('the plugin', () => {
  const SEEN = `
    const seen = [];
    for (const name of Object.getOwnPropertyNames(globalThis).sort()) {
      const value = globalThis[name];
      seen.push(name + ':' + typeof value + ':' + (typeof value === 'object' && value !== null ? Object.getOwnPropertyNames(value).sort().join() : ''));
    }
    return seen;`;

  test('sees the same world, watched or not', async () => {
    await isFree();
    const before = await plugin.value(SEEN);
    await using session = await connect();
    for (const domain of ['Runtime', 'Debugger', 'Profiler', 'HeapProfiler', 'Console'])
      await session.call(`${domain}.enable`);
    expect(await plugin.value(SEEN)).toEqual(before);
    expect(JSON.stringify(before)).not.toMatch(/inspector|isolated|dispatchProtocol/i);
  });

  test('cannot say a word in the session: what it prints or throws is no message of the protocol', async () => {
    await isFree();
    await using session = await connect();
    await session.call('Runtime.enable');
    await session.call('Debugger.enable');
    const forged = '{"method":"Debugger.paused","params":{"callFrames":[]}}';
    await plugin.run(`console.log(${JSON.stringify(forged)}); throw new Error(${JSON.stringify(forged)});`);
    await plugin.run(
      `//# sourceURL=plugin:watched\n(0, eval)(${JSON.stringify(`1 //# sourceURL=plugin:watched\n//# sourceMappingURL=file:///etc/passwd`)});`,
    );
    expect(session.all('Debugger.paused')).toEqual([]);
    // The clock goes on: a call over its deadline ends.
    expect((await core.api('GET', '/api/plugins/watched')).body.state).toBe('active');
  });

  test('stops at `debugger` for a debugger only', async () => {
    await isFree();
    expect(await plugin.value('debugger; return 1;')).toBe(1);
    await using session = await connect();
    expect(await plugin.value('debugger; return 2;')).toBe(2);
    await session.call('Debugger.enable');
    const stopped = plugin.value('debugger; return 3;');
    await session.heard('Debugger.paused');
    await session.call('Debugger.resume');
    expect(await stopped).toBe(3);
  });

  test('cannot take the addresses of the core', async () => {
    for (const at of ['/inspector', '/profile', '/heap-snapshot']) {
      const { status, body } = await tryInstall(core, {
        manifest: { name: 'squatter' },
        'index.ts': `export default { onLoad({ api }) { return api.post('${at}', () => 'mine'); } };`,
      });
      expect([at, status, body.code]).toEqual([at, 422, 'plugin_load_failed']);
    }
  });
});

describe('the port that `plugin dev --inspect` opens', () => {
  let proxy: InspectProxy;
  beforeAll(() => {
    const client = createClient({ url: core.url, token: core.token } as Parameters<typeof createClient>[0]);
    proxy = startInspectProxy({ client, plugin: 'watched', port: 0, onChange: () => undefined });
  });
  afterAll(() => proxy?.stop());

  const ask = (at: string, headers: Readonly<Record<string, string>> = {}): Promise<Response> =>
    fetch(`http://127.0.0.1:${proxy.port}${at}`, { headers });
  const secretOf = async (): Promise<string> => {
    const [target] = (await (await ask('/json/list')).json()) as { id: string }[];
    return target?.id ?? '';
  };

  test('tells debuggers where to connect, and passes on what they say', async () => {
    await isFree();
    const [target] = (await (await ask('/json/list')).json()) as { webSocketDebuggerUrl: string; type: string }[];
    expect(target).toMatchObject({
      type: 'node',
      webSocketDebuggerUrl: `ws://127.0.0.1:${proxy.port}/${await secretOf()}`,
    });
    expect(await (await ask('/json/version')).json()).toMatchObject({ 'Protocol-Version': '1.3' });
    await using session = await connectCdp(target?.webSocketDebuggerUrl ?? '', { origin: 'devtools://devtools' });
    await session.call('Debugger.enable');
    expect(
      (await session.heard('Debugger.scriptParsed', ({ url }) => url === 'plugin:watched')).sourceMapURL,
    ).toStartWith('data:application/json;base64,');
  });

  test('answers to no other name: a page whose name was rebound to this machine gets nothing', async () => {
    for (const host of [
      'evil.example',
      `evil.example:${proxy.port}`,
      '127.0.0.1',
      '',
      `127.0.0.1:${proxy.port}.evil.example`,
    ]) {
      for (const at of ['/json/list', '/json/version', `/${await secretOf()}`]) {
        const answer = await rawRequest(
          `http://127.0.0.1:${proxy.port}`,
          `GET ${at} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`,
        );
        expect(answer).toMatch(/^HTTP\/1\.1 (?:400|403)/);
        expect(answer).not.toContain(await secretOf());
      }
    }
  });

  test('talks to no web page, and to nobody who does not know the path', async () => {
    const secret = await secretOf();
    for (const origin of ['https://evil.example', 'null', `http://127.0.0.1:${proxy.port}`, 'http://localhost:3000']) {
      for (const at of ['/json/list', `/${secret}`]) expect((await ask(at, { origin })).status).toBe(403);
      await expect(connectCdp(`ws://127.0.0.1:${proxy.port}/${secret}`, { origin })).rejects.toThrow();
    }
    await expect(connectCdp(`ws://127.0.0.1:${proxy.port}/${crypto.randomUUID()}`)).rejects.toThrow();
    expect((await ask('/')).status).toBe(404);
    expect((await ask('/json/list')).headers.get('access-control-allow-origin')).toBeNull();
  });
});
