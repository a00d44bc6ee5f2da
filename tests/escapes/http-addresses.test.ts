import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { type Evaluator, installEvaluator } from '../kit/evaluator.ts';
import { tryInstall } from '../kit/plugin.ts';
import { rawRequest } from '../kit/raw-http.ts';
import { type RunningCore, startCore } from '../kit/start-core.ts';
import { within } from '../kit/until.ts';

// ADVERSARY 78 to 80: addresses and framings that two readers could understand in two ways. There is one match for each
// address, the core's own addresses are never a plugin's, and what is no clean HTTP is answered 400.

setDefaultTimeout(60_000);

const PREFIX = '/api/plugins/evil-router';
const THIEF = `export default { onLoad({ api }) { api.all('/*', () => 'stolen', { auth: 'public' }) } };`;

let core: RunningCore;
let evil: Evaluator;

beforeAll(async () => {
  core = await startCore();
  evil = await installEvaluator(core, 'evil-router', { routePrefix: 'evil' });
  await evil.value(`
    const open = { auth: 'public' };
    for (const path of ['/*', '/', '/:a', '/:a/:b']) ctx.api.all(path, (request, { params }) => ({ plugin: true, path: new URL(request.url).pathname, params }), open);
    return 1`);
});
afterAll(async () => {
  await core?.stop();
});

/** Status and body of a request whose target is sent as it is. */
async function sent(
  target: string,
  { method = 'GET', headers = '', token = '' } = {},
): Promise<{ status: number; body: string }> {
  const auth = token === '' ? '' : `Authorization: Bearer ${token}\r\n`;
  const request = `${method} ${target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n${auth}${headers}\r\n`;
  const answer = await within(rawRequest(core.url, request), `an answer to ${target}`);
  return { status: Number(answer.slice(9, 12)), body: answer.slice(answer.indexOf('\r\n\r\n') + 4) };
}

describe('one address has one meaning', () => {
  test.each([
    '/a%2fb',
    '/a%2Fb',
    '/a%5cb',
    '/a%5Cb',
    '/a%00b',
    '/a%0d%0ab',
    '/a%7fb',
    '/a//b',
    '//a',
    '/a//',
    '/%2f',
    '/%2e%2e%2f',
    '/..%2f..%2fenable',
    '/..%5c..',
    '/%c0%ae%c0%ae/',
    '/%c0%af',
    '/%e0%80%af',
    '/%ff',
    '/%',
    '/%2',
    '/%zz',
    '/%ed%a0%80',
    '/a#b',
    '/enable#',
    '/enable%00',
    '/enable%0a',
    '/enable%2f',
    '/%2fenable',
    '/;/%2e%2e%2f',
  ])('%s is refused', async (path) => {
    const { status, body } = await sent(PREFIX + path, { token: core.token });
    expect({ status, plugin: body.includes('"plugin":true') }).toEqual({ status: 400, plugin: false });
  });

  test.each(['/a\0b', '/a b', '/a\tb', '/a\x7fb\0'])('%j is no HTTP', async (path) => {
    const { status, body } = await sent(PREFIX + path);
    expect([400, 505]).toContain(status);
    expect(body).not.toContain('"plugin":true');
  });

  test.each<[string, string]>([
    ['/../evil-router/x', '/x'],
    ['/x/../y', '/y'],
    ['/x/./y', '/x/y'],
    ['/%2e%2e/evil-router/x', '/x'],
    ['/%2E%2e/evil-router/x', '/x'],
    ['/.%2e/evil-router/x', '/x'],
    ['\\x', '/x'],
    ['/x\\..\\y', '/y'],
  ])('%s is resolved before anybody looks', async (path, seen) => {
    const { status, body } = await sent(PREFIX + path);
    expect(status).toBe(200);
    expect(JSON.parse(body).path).toBe(PREFIX + seen);
  });

  test.each([
    '/../../users',
    '/%2e%2e/%2e%2e/users',
    '\\..\\..\\users',
    '/x/../../../users',
    '/..;/..;/users/../../../../users',
  ])('%s is what it leads to: the core’s, with its guards', async (path) => {
    const { status, body } = await sent(PREFIX + path);
    expect({ status, code: JSON.parse(body).code }).toEqual({ status: 401, code: 'unauthenticated' });
  });

  test.each([
    '/;x',
    '/a;x=1',
    '/a.',
    '/...',
    '/..a',
    '/a%2eb',
    '/~',
    '/%41',
    '/a%20b',
    '/%C3%A9',
    '/é',
    '/a+b',
    '/@',
    '/:',
    '/enable;x',
    '/enable.',
    '/enable%20',
    '/ENABLE',
    '/Enable',
    '/x/enable',
    '/enablé',
  ])('%s is the plugin’s, and nothing of the core happens', async (path) => {
    const { status, body } = await sent(PREFIX + path, { method: 'POST', token: core.token });
    expect(status).toBe(200);
    expect(JSON.parse(body).plugin).toBe(true);
  });

  test('the query is not read as a path', async () => {
    const { status, body } = await sent(`${PREFIX}/x?a=/../../users//%2f%00#`.replace('#', ''));
    expect({ status, path: JSON.parse(body).path }).toEqual({ status: 200, path: `${PREFIX}/x` });
    expect((await sent(`/api/plugins?/evil-router/x`)).status).toBe(401);
  });

  test('the authority of an absolute target and the Host do not matter', async () => {
    for (const target of [
      `http://evil.example${PREFIX}/x`,
      `http://a:b@evil.example:1${PREFIX}/x`,
      `HTTP://evil.example${PREFIX}/x`,
    ]) {
      const { status, body } = await sent(target);
      expect({ status, path: JSON.parse(body).path }).toEqual({ status: 200, path: `${PREFIX}/x` });
    }
    expect((await sent(`http://h/api/users`)).status).toBe(401);
  });
});

describe('the core’s addresses below and beside a plugin are never the plugin’s', () => {
  const own = [
    'logs',
    'metrics',
    'enable',
    'disable',
    'reload',
    'deliveries',
    'versions',
    'upgrade',
    'rollback',
    'jobs',
    'events',
    'grants',
    'bulk',
  ];

  test.each(own)('%s', async (name) => {
    for (const path of [
      `/${name}`,
      `/${name}/`,
      `/${name}?x`,
      `/${name}/x`,
      `/./${name}`,
      `/x/../${name}`,
      `\\${name}`,
      `/%2e/${name}`,
    ]) {
      for (const prefix of [PREFIX, '/api/plugins/evil', '/api/plugins/evil-router/../evil-router']) {
        const { status, body } = await sent(prefix + path, { method: 'POST' });
        expect(`${prefix}${path} ${body}`).not.toContain('"plugin":true');
        expect([401, 404, 405]).toContain(status);
      }
    }
  });

  test('a plugin cannot register them, in any spelling that is the same address', async () => {
    for (const path of [
      '/enable',
      '/enable/',
      'enable',
      '/logs/*',
      '/api/plugins/evil-namer/enable',
      '/./enable',
      '/../enable',
      '//enable',
      '/%2e/enable',
      '/x/../enable',
      '/enable%2f',
      '\\enable',
      '/a/../../evil-router/enable',
      '/enable?x',
      '/enable#x',
      '/ena\tble',
      '/enable\0',
    ]) {
      const source = {
        manifest: { name: 'evil-namer' },
        'index.ts': `export default { onLoad({ api }) { api.post(${JSON.stringify(path)}, () => 'mine', { auth: 'public' }) } };`,
      };
      const { status, body } = await tryInstall(core, source);
      expect({ path, status, code: body.code }).toEqual({ path, status: 422, code: 'plugin_load_failed' });
    }
  });

  test.each([
    ['of the core', 'catalog'],
    ['that is a number, as ids are', '1'],
    ['with a slash', 'a/b'],
    ['with dots', '..'],
    ['encoded', 'evil%2drouter'],
    ['in capitals', 'EVIL-ROUTER'],
  ])('an alias %s is refused', async (_what, routePrefix) => {
    const manifest = { name: 'evil-alias', routePrefix };
    expect(await tryInstall(core, { manifest, 'index.ts': THIEF })).toMatchObject({
      status: 422,
      body: { code: 'manifest_invalid' },
    });
  });

  test.each(['evil-router', 'evil'])(
    'the address of a plugin stays its own when another takes %s as its alias',
    async (routePrefix) => {
      // By name the thief comes first.
      const thief = { manifest: { name: 'aaa-thief', routePrefix }, 'index.ts': THIEF };
      expect(await tryInstall(core, thief)).toMatchObject({ status: 409, body: { code: 'conflict' } });
      for (const prefix of ['evil-router', 'evil']) {
        expect((await core.api('GET', `/api/plugins/${prefix}/ping`, { token: null })).body).toEqual({ pong: true });
      }
    },
  );

  test('nor does a plugin that has the alias of another as its name', async () => {
    const thief = { manifest: { name: 'evil' }, 'index.ts': THIEF };
    expect(await tryInstall(core, thief)).toMatchObject({ status: 409, body: { code: 'conflict' } });
    expect((await core.api('GET', '/api/plugins/evil/ping', { token: null })).body).toEqual({ pong: true });
  });
});

describe('ADVERSARY 79: patterns of a plugin cost the core nothing that they can blow up', () => {
  test('many parameters and wildcards against long paths that almost match', async () => {
    const routes = `
      const open = { auth: 'public' };
      const tail = '/:' + Array.from('abcdefghijklmnopqrstuvwxyz').join('/:');
      for (let i = 0; i < 26; i += 1) { api.get('/p' + tail.slice(0, 3 + 3 * i), () => i, open); api.post('/p' + '/a'.repeat(i + 1) + '/:x/b', () => i, open); api.post('/p' + '/:y' + '/a'.repeat(i + 1) + '/c', () => i, open); }
      api.put('/w/*', () => 1, open);`;
    const source = {
      manifest: { name: 'evil-patterns' },
      'index.ts': `export default { onLoad({ api }) { ${routes} } };`,
    };
    expect((await tryInstall(core, source)).status).toBe(201);
    const targets = [
      `/p/${'a/'.repeat(1_500)}`,
      `/p${'/a'.repeat(24)}/d`,
      `/w/${'x'.repeat(6_000)}`,
      `/p/${'a'.repeat(6_000)}/`,
      `/${':a*'.repeat(2_000)}`,
    ];
    const started = performance.now();
    for (const target of targets) {
      for (const method of ['GET', 'POST', 'PUT', 'DELETE'])
        expect([200, 404, 405]).toContain((await sent(`/api/plugins/evil-patterns${target}`, { method })).status);
    }
    // 20 requests; one that backtracks would take seconds by itself.
    expect(performance.now() - started).toBeLessThan(2_000);
  });

  test.each(['^(a+)+$', '^(a|a)*$', '(.*)*x', '^(([a-z])+.)+[A-Z]([a-z])+$', '(x+x+)+y', '^(?:a?){64}a{64}$'])(
    'the pattern %s in a schema',
    async (pattern) => {
      const schema = JSON.stringify({ type: 'object', properties: { text: { type: 'string', pattern } } });
      const source = {
        manifest: { name: 'evil-schemas' },
        'index.ts': `export default { onLoad({ api }) { api.get('/:text', () => 'fits', { auth: 'public', validation: { params: ${schema}, query: ${schema} } }) } };`,
      };
      const { status } = await tryInstall(core, source);
      if (status !== 201) {
        expect(status).toBe(422);
        return;
      }
      const started = performance.now();
      const text = `${'a'.repeat(3_000)}!`;
      expect([200, 422]).toContain((await sent(`/api/plugins/evil-schemas/${text}?text=${text}`)).status);
      expect(performance.now() - started).toBeLessThan(1_000);
      await core.api('DELETE', '/api/plugins/evil-schemas');
    },
  );
});

describe('ADVERSARY 80: what is no clean HTTP is 400, and nothing after it is read', () => {
  const CHUNKED = '3\r\nabc\r\n0\r\n\r\n';
  const SMUGGLED = `GET ${PREFIX}/smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n`;

  test.each<[string, string, string]>([
    ['Content-Length and Transfer-Encoding', 'Content-Length: 3\r\nTransfer-Encoding: chunked', CHUNKED],
    ['the other way round', 'Transfer-Encoding: chunked\r\nContent-Length: 3', CHUNKED],
    ['two lengths', 'Content-Length: 3\r\nContent-Length: 4', 'abcd'],
    ['the same length twice', 'Content-Length: 3\r\nContent-Length: 3', 'abc'],
    ['a list of lengths', 'Content-Length: 3, 3', 'abc'],
    ['a length with a sign', 'Content-Length: +3', 'abc'],
    ['a negative length', 'Content-Length: -3', 'abc'],
    ['a hexadecimal length', 'Content-Length: 0x3', 'abc'],
    ['a length with more behind it', 'Content-Length: 3 4', 'abcd'],
    ['an empty length', 'Content-Length:', 'abc'],
    ['a length over 64 bits', 'Content-Length: 18446744073709551619', 'abc'],
    ['an unknown encoding', 'Transfer-Encoding: xchunked', CHUNKED],
    ['identity', 'Transfer-Encoding: identity', 'abc'],
    ['chunked that is not last', 'Transfer-Encoding: chunked, identity', CHUNKED],
    ['an encoding before it', 'Transfer-Encoding: gzip, chunked', CHUNKED],
    ['two encodings', 'Transfer-Encoding: chunked\r\nTransfer-Encoding: identity', CHUNKED],
    ['a vertical tab', 'Transfer-Encoding: \x0bchunked', CHUNKED],
    ['quotes', 'Transfer-Encoding: "chunked"', CHUNKED],
    ['a space before the colon', 'Transfer-Encoding : chunked', CHUNKED],
    ['a folded line', 'X-Own: a\r\n b', ''],
    ['a folded encoding', 'Transfer-Encoding:\r\n chunked', CHUNKED],
    ['a line without a colon', 'Content-Length', ''],
    ['a line without a name', ': 3', ''],
    ['a space in a name', 'X Own: 3', ''],
    ['NUL in a value', 'X-Own: a\0b', ''],
    ['a bare CR', 'X-Own: a\rContent-Length: 3', ''],
    ['a chunk of letters', 'Transfer-Encoding: chunked', 'xyz\r\nabc\r\n0\r\n\r\n'],
    ['a chunk with 0x', 'Transfer-Encoding: chunked', '0x3\r\nabc\r\n0\r\n\r\n'],
    ['a negative chunk', 'Transfer-Encoding: chunked', '-3\r\nabc\r\n0\r\n\r\n'],
    ['a chunk that is longer than it says', 'Transfer-Encoding: chunked', '2\r\nabc\r\n0\r\n\r\n'],
    ['a chunk over 64 bits', 'Transfer-Encoding: chunked', 'FFFFFFFFFFFFFFFF3\r\nabc\r\n0\r\n\r\n'],
    ['a chunk that ends in a line feed', 'Transfer-Encoding: chunked', '3\nabc\n0\n\n'],
    ['an extension that ends in a line feed', 'Transfer-Encoding: chunked', '3;a\nabc\r\n0\r\n\r\n'],
    ['two hosts', 'Host: evil.example', ''],
  ])('%s', async (_what, headers, body) => {
    const request = `POST ${PREFIX}/run HTTP/1.1\r\nHost: localhost\r\n${headers}\r\n\r\n${body}${SMUGGLED}`;
    const answer = await within(
      rawRequest(core.url, `${request}GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n`),
      'an answer',
    );
    expect(answer).toMatch(/^HTTP\/1\.1 400 /);
    expect(answer).not.toContain('smuggled');
    expect((await evil.get('/ping')).status).toBe(200);
  });

  test('no host, an old or a new version, a list of headers without end', async () => {
    const raw = async (request: string) =>
      Number((await within(rawRequest(core.url, request), 'an answer')).slice(9, 12));
    expect(await raw(`GET ${PREFIX}/x HTTP/1.1\r\nConnection: close\r\n\r\n`)).toBe(400);
    expect(await raw(`GET ${PREFIX}/x HTTP/2.0\r\nHost: h\r\nConnection: close\r\n\r\n`)).toBe(505);
    expect(await raw(`GET ${PREFIX}/x\r\n\r\n`)).toBe(505);
    expect(await raw(`GET ${PREFIX}/x HTTP/1.1\r\nHost: h\r\n${'A: b\r\n'.repeat(2_000)}\r\n`)).toBe(431);
    expect(await raw(`GET ${PREFIX}/x HTTP/1.1\r\nHost: h\r\nA: ${'b'.repeat(200_000)}\r\n\r\n`)).toBe(431);
  });

  test('methods that are for proxies are not answered', async () => {
    expect((await sent('localhost:22', { method: 'CONNECT' })).status).toBe(405);
    expect((await sent(`${PREFIX}/x`, { method: 'CONNECT' })).status).toBe(405);
    const traced = await sent(`${PREFIX}/x`, { method: 'TRACE', token: core.token });
    expect(traced.status).toBe(405);
    expect(traced.body).not.toContain(core.token);
  });
});
