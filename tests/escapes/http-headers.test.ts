import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { type Evaluator, installEvaluator } from '../kit/evaluator.ts';
import { rawRequest } from '../kit/raw-http.ts';
import { type RunningCore, startCore } from '../kit/start-core.ts';

// ADVERSARY 71 to 73: a plugin answers on the core's own origin. What it sends must not act on that origin, what it shows
// is sandboxed, and what the browser sends along for the core stays the core's. (The plain cases: tests/flows/http-headers.)

setDefaultTimeout(60_000);

const PREFIX = '/api/plugins/evil-server';
let core: RunningCore;
let evil: Evaluator;

beforeAll(async () => {
  core = await startCore();
  evil = await installEvaluator(core, 'evil-server', { routePrefix: 'evil' });
  await evil.value(`
    const open = { auth: 'public' };
    ctx.api.all('/mirror', (request) => ({ url: request.url, headers: [...request.headers] }), open);
    ctx.api.all('/mirror/private', (request, { user }) => ({ url: request.url, headers: [...request.headers], user }));
    return 1`);
});
afterAll(async () => {
  await core?.stop();
});

/** The headers that came through, of a plain answer with these. */
async function through(pairs: readonly (readonly [string, string])[], init = ''): Promise<Headers> {
  // As a guest that left its prelude would: no Headers object of ours has looked at them.
  const list = JSON.stringify(pairs);
  const { headers, status } = await evil.raw(
    `const answer = new Response('<script>1</script>'${init}); for (const [name, value] of ${list}) answer.headers.append(name, value); return answer`,
  );
  expect(status).toBeLessThan(600);
  return headers;
}

describe('cookies', () => {
  test.each([
    'streamspace=x',
    'STREAMSPACE=x',
    'StreamSpace=x; Path=/',
    ' streamspace=x',
    '\tstreamspace =x',
    'streamspace\t=x',
    'streamspace',
    'streamspace;',
    '=streamspace=x',
    '=streamspace',
    ';streamspace=x',
    '__Host-streamspace=x; Secure; Path=/',
    '__host-streamspace=x; Secure; Path=/',
    '__Secure-streamspace=x; Secure',
    '__Http-streamspace=x',
    '__Host-other=x; Secure; Path=/',
    'streamspace-csrf=x',
    'streamspace.sid=x',
    'x',
    '',
    '=',
    '=x',
  ])('Set-Cookie: %j does not pass', async (cookie) => {
    expect((await through([['set-cookie', cookie]])).getSetCookie()).toEqual([]);
  });

  test('others pass, each for the path of the plugin alone and as the browser would read them', async () => {
    const cookies: [string, string][] = [
      ['a=1; Path=/; Domain=localhost; HttpOnly', `a=1; HttpOnly; Path=${PREFIX}`],
      ['b=2;path=/;PATH=/api;secure', `b=2; secure; Path=${PREFIX}`],
      ['c=3; SameSite=None; Partitioned; Priority=High', `c=3; SameSite=None; Path=${PREFIX}`],
      [
        'd=x=y; Max-Age=5; Expires=Wed, 21 Oct 2026 07:28:00 GMT',
        `d=x=y; Max-Age=5; Expires=Wed, 21 Oct 2026 07:28:00 GMT; Path=${PREFIX}`,
      ],
    ];
    const headers = await through(cookies.map(([sent]): [string, string] => ['Set-Cookie', sent]));
    expect(headers.getSetCookie()).toEqual(cookies.map(([, passed]) => passed));
  });

  test.each(['a=1, streamspace=x', 'a=1\u00a0; Path=/', 'a="; streamspace=x"', 'a=1; path=/;\tPath=/x; domain=h'])(
    'no second cookie and no path hides in %j',
    async (cookie) => {
      const passed = (await through([['set-cookie', cookie]])).getSetCookie();
      expect(passed.length).toBeLessThanOrEqual(1);
      for (const one of passed) {
        expect(one).toMatch(/^a=/);
        expect(one.match(/path=/gi)).toEqual(['Path=']);
        expect(one).not.toMatch(/domain/i);
        expect(one).toEndWith(`Path=${PREFIX}`);
      }
    },
  );

  // A browser takes the headers of each part of such an answer as the server's own (Firefox: nsMultiMixedConv).
  test.each([
    'multipart/x-mixed-replace; boundary=b',
    'MULTIPART/Mixed;boundary=b',
    'multipart/byteranges; boundary=b',
    ' multipart/related',
    'text/html, multipart/x-mixed-replace;boundary=b',
  ])('nor in the parts of %s', async (type) => {
    const headers = await through([], `, { headers: { 'content-type': ${JSON.stringify(type)} } }`);
    expect(headers.get('content-type')).toBe('application/octet-stream');
  });

  test('a second content type does not join the first', async () => {
    const headers = await through(
      [
        ['content-type', 'multipart/x-mixed-replace;boundary=b'],
        ['content-type', 'text/plain'],
      ],
      `, { headers: { 'content-type': 'text/html' } }`,
    );
    expect(headers.get('content-type')).not.toContain('multipart');
    expect(
      (await through([], `, { headers: { 'content-type': 'multipart/form-data; boundary=b' } }`)).get('content-type'),
    ).toStartWith('multipart/form-data');
  });
});

describe('what acts on the whole origin, or on a proxy before it, does not pass', () => {
  test.each([
    'Clear-Site-Data',
    'Service-Worker-Allowed',
    'Strict-Transport-Security',
    'Public-Key-Pins',
    'Public-Key-Pins-Report-Only',
    'Expect-CT',
    'NEL',
    'Report-To',
    'Alt-Svc',
    'Accept-CH',
    'Critical-CH',
    'Origin-Agent-Cluster',
    'Set-Login',
    'Use-As-Dictionary',
    'Refresh',
    'SourceMap',
    'X-SourceMap',
    'WWW-Authenticate',
    'Proxy-Authenticate',
    'Authentication-Info',
    'Proxy-Authentication-Info',
    'Access-Control-Allow-Credentials',
    'Access-Control-Allow-Private-Network',
    'Set-Cookie2',
    'X-Accel-Redirect',
    'X-Sendfile',
    'X-LIGHTTPD-Send-File',
    'X-Litespeed-Location',
    'X-Reproxy-URL',
    'Upgrade',
    'Trailer',
    'TE',
    'Proxy-Connection',
  ])('%s', async (name) => {
    const headers = await through([
      [name, '"*"'],
      [name.toUpperCase(), 'x'],
      [name.toLowerCase(), 'y'],
      ['x-own', 'kept'],
    ]);
    expect(headers.get(name)).toBeNull();
    expect(headers.get('x-own')).toBe('kept');
  });

  test.each([
    'javascript:alert(1)',
    ' javascript:alert(1)',
    'JAVASCRIPT:alert(1)',
    'java\tscript:alert(1)',
    'data:text/html,x',
    'file:///etc/passwd',
    'blob:http://h/x',
    'about:blank',
    'view-source:http://h/',
    'http://',
  ])('Location: %j', async (location) => {
    const headers = await through([['location', location]], `, { status: 302 }`);
    expect(headers.get('location')).toBeNull();
  });

  test.each(['/x', '../y', '//h/x', 'https://h/', '?q', '/x?next=javascript:1', 'x:y/z'.slice(2)])(
    'Location: %j passes',
    async (location) => {
      expect((await through([['location', location]], `, { status: 307 }`)).get('location')).toBe(location);
    },
  );

  test('headers of the framing are the server’s own', async () => {
    const raw = await evil.raw(
      `return new Response('12345', { headers: { 'content-length': '3', 'transfer-encoding': 'chunked', connection: 'close, x-own', 'keep-alive': 'timeout=9', date: 'never', 'x-own': 'y' } })`,
    );
    expect(raw).toMatchObject({ status: 200, body: '12345' });
    expect(raw.headers.get('content-length')).toBe('5');
    expect(raw.headers.get('x-own')).toBe('y');
  });

  test('an answer cannot be split in two', async () => {
    for (const value of ['a\r\nSet-Cookie: streamspace=x', 'a\nX: y', 'a\0b']) {
      const code = `return new Response('', { headers: { a: ${JSON.stringify(value)} } })`;
      expect((await evil.raw(code)).status).toBe(500);
    }
    expect((await evil.raw(`return new Response('', { statusText: 'OK\\r\\nSet-Cookie: a=b' })`)).status).toBe(500);
  });
});

describe('what a plugin shows is sandboxed, whatever it is', () => {
  const sandboxed = (headers: Headers): void => {
    const [first] = (headers.get('content-security-policy') ?? '').split(',');
    expect(first?.split(' ')[0]).toBe('sandbox');
    expect(first).not.toMatch(/allow-same-origin|allow-top-navigation|allow-modals-x/);
    expect(headers.get('x-content-type-options')).toBe('nosniff');
  };

  test.each([200, 201, 206, 226, 299, 300, 301, 302, 304, 400, 401, 403, 404, 418, 500, 503, 599])(
    'status %d',
    async (status) => {
      const body = status === 304 ? 'null' : `'<script>1</script>'`;
      const answer = await evil.raw(
        `return new Response(${body}, { status: ${status}, headers: { 'content-type': 'text/html' } })`,
      );
      expect(answer.status).toBe(status);
      sandboxed(answer.headers);
    },
  );

  test.each([
    'text/html',
    'image/svg+xml',
    'application/xhtml+xml',
    'text/xml',
    'application/xml',
    'text/xsl',
    'application/pdf',
    'text/javascript',
    'text/event-stream',
    'application/octet-stream',
    '',
    'nonsense',
    'text/html;charset=utf-7',
    'application/x-shockwave-flash',
  ])('type %j', async (type) => {
    sandboxed(
      (
        await evil.raw(
          `return new Response('<script>1</script>', { headers: { 'content-type': ${JSON.stringify(type)} } })`,
        )
      ).headers,
    );
  });

  test.each([
    [
      'a stream',
      `return new Response(new ReadableStream({ start(c) { c.enqueue(new TextEncoder().encode('<b>')); c.close() } }), { headers: { 'content-type': 'text/html' } })`,
    ],
    ['a large body', `return new Response('<b>'.repeat(200000), { headers: { 'content-type': 'text/html' } })`],
    [
      'a range',
      `return new Response('<b>', { status: 206, headers: { 'content-type': 'text/html', 'content-range': 'bytes 0-2/9' } })`,
    ],
    ['a plain value', `return '<b>'`],
    ['nothing', `return undefined`],
    [
      'a policy that allows all',
      `return new Response('<b>', { headers: { 'content-security-policy': "sandbox allow-same-origin allow-scripts; default-src *" } })`,
    ],
    [
      'a policy in two',
      `const r = new Response('<b>'); r.headers.append('content-security-policy', ''); r.headers.append('Content-Security-Policy', 'sandbox allow-same-origin'); return r`,
    ],
    ['a sniffing that is asked for', `return new Response('<b>', { headers: { 'x-content-type-options': 'sniff' } })`],
  ])('%s', async (_what, code) => {
    sandboxed((await evil.raw(code)).headers);
  });

  test('what goes wrong is told in a type that shows nothing', async () => {
    for (const code of [
      `throw new Error('<script>1</script>')`,
      `return new Response('', { status: 99 })`,
      `return Response.error()`,
    ]) {
      const { headers, body } = await evil.raw(code);
      expect(headers.get('content-type')).toBe('application/problem+json');
      expect(headers.get('x-content-type-options')).toBe('nosniff');
      expect(JSON.stringify(body)).not.toContain('<script>');
    }
    const { headers } = await core.api('GET', `${PREFIX}/<script>1</script>`, { token: null });
    expect(headers.get('content-type')).toBe('application/problem+json');
    expect(headers.get('x-content-type-options')).toBe('nosniff');
  });
});

describe('what signs in to the core never reaches a plugin', () => {
  test('in no spelling, no number and no place of a header', async () => {
    const SECRET = core.token;
    const lines = [
      `Authorization: Bearer ${SECRET}`,
      `AUTHORIZATION: bearer ${SECRET}`,
      `authorization:Bearer ${SECRET}`,
      `Proxy-Authorization: Basic ${SECRET}`,
      `Cookie: streamspace=${SECRET}`,
      `cookie: a=1;streamspace=${SECRET};b=2`,
      `COOKIE: __Host-streamspace=${SECRET}`,
      `Cookie:  streamspace = ${SECRET}`,
      `Cookie: c=3;\tstreamspace=${SECRET}`,
      `Cookie: STREAMSPACE=${SECRET}`,
      `Cookie2: streamspace=${SECRET}`,
      `X-CSRF-Token: ${SECRET}`,
      `HTTP2-Settings: ${SECRET}`,
      `TE: ${SECRET}`,
      'X-Own: kept',
    ];
    const request = `GET http://admin:${SECRET}@localhost${PREFIX}/mirror HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n${lines.join('\r\n')}\r\n\r\n`;
    const answer = await rawRequest(core.url, request);
    expect(answer).toStartWith('HTTP/1.1 200');
    expect(answer).toContain('"x-own","kept"');
    expect(answer).toContain('a=1; b=2');
    expect(answer).not.toContain(SECRET);
  });

  test('nor when it did sign somebody in, under the name and under the alias', async () => {
    for (const prefix of [PREFIX, '/api/plugins/evil']) {
      const { body, status } = await core.api('GET', `${prefix}/mirror/private`);
      expect({ status, email: body.user?.email }).toEqual({ status: 200, email: core.admin.email });
      expect(JSON.stringify(body)).not.toContain(core.token);
    }
  });

  test('a token in the address signs nobody in, so that nobody puts it there', async () => {
    for (const query of ['token', 'access_token', 'authorization', 'streamspace', 'auth', 'api_key']) {
      expect((await core.api('GET', `/api/users?${query}=${core.token}`, { token: null })).status).toBe(401);
    }
  });

  test('a page of another site gets neither an answer with credentials nor a preflight', async () => {
    const headers = await through([
      ['access-control-allow-origin', 'https://evil.example'],
      ['access-control-allow-credentials', 'true'],
    ]);
    expect(headers.get('access-control-allow-credentials')).toBeNull();
    const preflight = await core.api('OPTIONS', '/api/users', {
      token: null,
      headers: { origin: 'https://evil.example', 'access-control-request-method': 'POST' },
    });
    expect(preflight.headers.get('access-control-allow-origin')).toBeNull();
  });
});
