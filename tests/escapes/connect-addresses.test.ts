import { describe, expect, test } from 'bun:test';
import { connectRoom, peer } from '../kit/connect-room.ts';
import { codeOf } from '../kit/fetch-room.ts';

// ADVERSARY 46 to 48, 57, 58 for sockets: hosts and ports are judged after parsing, and again by the address that a name
// leads to, which is the one that is connected to.

function answering(...answers: string[][]) {
  const asked: string[] = [];
  const lookup = async (host: string) => {
    const answer = answers[Math.min(asked.push(host), answers.length) - 1] ?? [];
    return answer.map((address) => ({ address, family: address.includes(':') ? 6 : 4 }));
  };
  return { asked, lookup };
}

test.each([
  '127.0.0.1',
  '127.1',
  '2130706433',
  '0x7f000001',
  '0177.0.0.1',
  '１２７.0.0.1',
  '127.0.0.1.',
  '0',
  '0.0.0.0',
  '::1',
  '[::1]',
  '::ffff:127.0.0.1',
  '[::ffff:7f00:1]',
  '64:ff9b::127.0.0.1',
  'localhost',
  'LOCALHOST.',
  'postgres',
  '169.254.169.254',
  'example.com.evil.org',
  'notexample.com',
  'example.com',
  'a.example.com.',
])('%p is not what was granted, and is not even looked up', async (hostname) => {
  await using server = await peer();
  const { asked, lookup } = answering(['127.0.0.1']);
  const room = connectRoom(
    [`network:tcp:*.example.com:${server.port + 1}`, `network:tcp:other.example:${server.port}`],
    {
      lookup,
    },
  );
  expect(await codeOf(room.open({ hostname, port: server.port }))).toBe('permission_denied');
  expect(asked).toEqual([]);
  expect(server.sockets).toHaveLength(0);
});

test.each([
  '',
  'a b',
  'a/b',
  'user@example.com',
  'example.com:25',
  'example.com#',
  'example.com?',
  'exa%6dple.com',
  'a\\b',
  'a\r\nb',
  '[::1',
  '[fe80::1%25eth0]',
  '::1]:25/',
  'a..b',
  '-a.com',
  'x'.repeat(256),
])('%p is no host name', async (hostname) => {
  const room = connectRoom(['network:tcp:example.com:25']);
  expect(await codeOf(room.open({ hostname, port: 25 }))).toBe('invalid_input');
});

test.each([
  ['2130706433', 'network:tcp:127.0.0.1:PORT'],
  ['0x7f.1', 'network:tcp:127.0.0.1:PORT'],
  ['::ffff:127.0.0.1', 'network:tcp:127.0.0.1:PORT'],
])('%p is the address that it means', async (hostname, grant) => {
  await using server = await peer();
  await connectRoom([grant.replace('PORT', `${server.port}`)]).open({ hostname, port: server.port });
  await server.accepted();
});

describe.each(['network:tcp:evil.example:25', 'network:tcp:*.evil.example:25'])('granted %s', (grant) => {
  const hostname = grant.includes('*') ? 'a.evil.example' : 'evil.example';

  test.each([
    '127.0.0.1',
    '10.0.0.5',
    '169.254.169.254',
    '100.64.0.1',
    '0.0.0.0',
    '::1',
    '::ffff:127.0.0.1',
    '64:ff9b::7f00:1',
    '2002:7f00:1::',
    'fd00::1',
    'fd00:ec2::254',
    'fe80::1%eth0',
    '224.0.0.1',
    'not an address',
  ])('a name that leads to %s is blocked', async (address) => {
    const { lookup } = answering([address]);
    const room = connectRoom([grant], { lookup });
    const refused = room.open({ hostname, port: 25 });
    expect(await codeOf(refused)).toBe('network_blocked');
    // The operator is told where it led, the plugin is not.
    await expect(refused).rejects.not.toThrow(address);
    expect(room.logged).toEqual([
      {
        level: 'warn',
        message: 'connect blocked',
        fields: expect.objectContaining({ address, plugin: 'test-plugin' }),
      },
    ]);
  });
});

test('one private address among public ones blocks them all', async () => {
  await using server = await peer();
  const { lookup } = answering(['93.184.216.34', '127.0.0.1']);
  const room = connectRoom([`network:tcp:evil.example:${server.port}`], { lookup });
  expect(await codeOf(room.open({ hostname: 'evil.example', port: server.port }))).toBe('network_blocked');
  expect(server.sockets).toHaveLength(0);
});

test('the name is resolved once: a second answer has no effect, and is judged anew', async () => {
  await using server = await peer();
  const { port } = server;
  const { asked, lookup } = answering(['127.0.0.1'], ['127.0.0.2']);
  const room = connectRoom([`network:tcp:evil.example:${port}`, server.grant], { lookup });
  await room.open({ hostname: 'evil.example', port });
  await server.accepted();
  expect(asked).toEqual(['evil.example']);
  expect(await codeOf(room.open({ hostname: 'evil.example', port }))).toBe('network_blocked');
});

test('a permission of `fetch` opens no socket, and one of sockets names no address for another port', async () => {
  await using server = await peer();
  const { port } = server;
  const { lookup } = answering(['127.0.0.1']);
  for (const grants of [['network'], [`network:127.0.0.1:${port}`], [`network:tcp:127.0.0.1:${port - 1}`]]) {
    const room = connectRoom([...grants, 'network:*.example.com'], { lookup });
    expect(await codeOf(room.open({ port }))).toBe('permission_denied');
  }
  const named = [`network:tcp:mail.example:${port}`, `network:127.0.0.1:${port}`, `network:tcp:127.0.0.1:${port - 1}`];
  const room = connectRoom(named, { lookup });
  expect(await codeOf(room.open({ hostname: 'mail.example', port }))).toBe('network_blocked');
  expect(server.sockets).toHaveLength(0);
});

test('SNI names no other place to go to', async () => {
  await using server = await peer();
  const { asked, lookup } = answering(['10.0.0.5']);
  const room = connectRoom([server.grant], { lookup, limits: { handshakeMs: 50 } });
  const input = { port: server.port, secureTransport: 'on', sni: 'metadata.google.internal' } as const;
  expect(await codeOf(room.open(input))).toBe('network_failed');
  expect(asked).toEqual([]);
});
