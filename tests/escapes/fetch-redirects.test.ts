import { describe, expect, test } from 'bun:test';
import { codeOf, fetchRoom, httpAnswer, type RawServer, rawServer } from '../kit/fetch-room.ts';

// ADVERSARY 49: every hop is checked like a request of its own.

/** Answers `/<status>?<location>` with that redirect, anything else with what it received. */
function redirecting(): Promise<RawServer> {
  return rawServer((socket, data) => {
    const [, status, location] = /^\S+ \/(\d{3})\?(\S*) /.exec(data) ?? [];
    if (status)
      socket.write(httpAnswer(`${status} Moved`, [`Location: ${decodeURIComponent(location ?? '')}`], 'gone'));
    else socket.write(httpAnswer('200 OK', ['Connection: close'], data));
  });
}

const to = (server: RawServer, status: number, location: string) =>
  `${server.url}/${status}?${encodeURIComponent(location)}`;

describe('hops', () => {
  test.each([
    ['a host that is not granted', 'http://other.example/', 'permission_denied'],
    ['a private address', 'http://10.0.0.5/', 'permission_denied'],
    ['a spelling of loopback', 'http://2130706433:8080/', 'permission_denied'],
    ['localhost', 'http://localhost:8080/', 'permission_denied'],
    ['a name that leads inside', 'http://rebind.example/', 'network_blocked'],
    ['a file', 'file:///etc/passwd', 'network_failed'],
    ['data', 'data:text/plain,hi', 'network_failed'],
    ['a bucket', 's3://bucket/key', 'network_failed'],
    ['credentials', 'http://user:pass@127.0.0.1/', 'network_failed'],
    ['a port of another protocol', 'http://127.0.0.1:25/', 'network_failed'],
    ['no URL', 'http://[', 'network_failed'],
  ] as const)('%s is refused', async (_what, location, code) => {
    await using server = await redirecting();
    const lookup = async () => [{ address: '127.0.0.1', family: 4 }];
    const room = fetchRoom([`network:127.0.0.1:${server.port}`, 'network:rebind.example'], { lookup });
    expect(await codeOf(room.request({ url: to(server, 302, location) }))).toBe(code);
    expect(server.received().split('HTTP/1.1')).toHaveLength(2);
  });

  test('the refusal names the permission of the hop', async () => {
    await using server = await redirecting();
    const room = fetchRoom([`network:127.0.0.1:${server.port}`]);
    const refused = room.request({ url: to(server, 301, 'https://other.example/x') });
    await expect(refused).rejects.toMatchObject({ extra: { permission: 'network:other.example:443' } });
  });

  test('relative and absolute places are followed, and counted', async () => {
    await using server = await redirecting();
    const room = fetchRoom([`network:127.0.0.1:${server.port}`]);
    const answer = await room.request({ url: `${to(server, 302, '/there?a=b')}#part` });
    expect(answer).toMatchObject({ status: 200, redirected: true, url: `${server.url}/there?a=b` });
  });

  test('a circle ends after 20', async () => {
    let asked = 0;
    await using server = await rawServer((socket) => {
      asked += 1;
      socket.write(httpAnswer('302 Found', ['Location: /again']));
    });
    const room = fetchRoom([`network:127.0.0.1:${server.port}`]);
    await expect(room.request({ url: server.url })).rejects.toThrow('More than 20 redirects');
    expect(await codeOf(room.request({ url: server.url }))).toBe('network_failed');
    expect(asked).toBe(42);
  });

  test("error and manual are the author's choice; a redirect without a place is an answer", async () => {
    await using server = await redirecting();
    const room = fetchRoom([`network:127.0.0.1:${server.port}`]);
    const url = to(server, 302, '/x');
    expect(await codeOf(room.request({ url, redirect: 'error' }))).toBe('network_failed');
    const manual = await room.request({ url, redirect: 'manual' });
    expect(manual).toMatchObject({ status: 302, redirected: false, url, body: { text: 'gone' } });
    expect(manual.headers).toContainEqual(['location', '/x']);
    await using bare = await rawServer((socket) => socket.write(httpAnswer('302 Found')));
    const other = fetchRoom([`network:127.0.0.1:${bare.port}`]);
    expect((await other.request({ url: bare.url })).status).toBe(302);
  });
});

describe('what travels along', () => {
  const headers: [string, string][] = [
    ['Authorization', 'Bearer t'],
    ['Cookie', 'c=1'],
    ['Content-Type', 'text/x'],
    ['X-Kept', 'yes'],
  ];

  async function follow(status: number, method: string, sameOrigin: boolean): Promise<string> {
    await using first = await redirecting();
    await using second = await redirecting();
    const room = fetchRoom([`network:127.0.0.1:${first.port}`, `network:127.0.0.1:${second.port}`]);
    const url = to(first, status, sameOrigin ? '/end' : `${second.url}/end`);
    const body = method === 'GET' || method === 'HEAD' ? null : { text: 'payload' };
    return await room.text(await room.request({ url, method, headers, body }));
  }

  test.each([
    [301, 'POST', 'GET'],
    [302, 'POST', 'GET'],
    [303, 'POST', 'GET'],
    [303, 'PUT', 'GET'],
    [301, 'PUT', 'PUT'],
    [302, 'DELETE', 'DELETE'],
    [307, 'POST', 'POST'],
    [308, 'POST', 'POST'],
    [302, 'GET', 'GET'],
  ] as const)('%d turns %s into %s', async (status, method, then) => {
    const got = await follow(status, method, true);
    expect(got.startsWith(`${then} /end HTTP/1.1\r\n`)).toBe(true);
    const whole = method === then && method !== 'GET';
    expect(got.includes('payload')).toBe(whole);
    expect(got.includes('Content-Type: text/x')).toBe(method === then);
    expect(got).toContain('Authorization: Bearer t');
    expect(got).toContain('Cookie: c=1');
  });

  test('credentials stay at their origin', async () => {
    const got = await follow(307, 'POST', false);
    expect(got).not.toContain('Authorization');
    expect(got).not.toContain('Cookie');
    expect(got).toContain('X-Kept: yes');
    expect(got).toContain('payload');
  });

  test('a streamed body is not sent twice', async () => {
    await using server = await redirecting();
    const room = fetchRoom([`network:127.0.0.1:${server.port}`]);
    const offer = () => ({ stream: room.offer(new Blob(['once']).stream()), length: 4 });
    const post = (status: number) => room.request({ url: to(server, status, '/end'), method: 'POST', body: offer() });
    expect(await codeOf(post(307))).toBe('network_failed');
    expect((await post(303)).status).toBe(200);
  });
});
