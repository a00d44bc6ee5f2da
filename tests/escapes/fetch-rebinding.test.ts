import { describe, expect, test } from 'bun:test';
import { codeOf, fetchRoom, httpAnswer, rawServer } from '../kit/fetch-room.ts';

// ADVERSARY 48: the resolved address is judged, and that one is connected to.

function answering(...answers: string[][]) {
  const asked: string[] = [];
  const lookup = async (host: string) => {
    const answer = answers[Math.min(asked.push(host), answers.length) - 1] ?? [];
    return answer.map((address) => ({ address, family: address.includes(':') ? 6 : 4 }));
  };
  return { asked, lookup };
}

describe.each(['network', 'network:evil.example', 'network:*.evil.example'])('granted %s', (grant) => {
  const url = grant.includes('*') ? 'http://a.evil.example/' : 'http://evil.example/';

  test.each([
    '127.0.0.1',
    '10.0.0.5',
    '169.254.169.254',
    '100.64.0.1',
    '0.0.0.0',
    '::1',
    '::ffff:127.0.0.1',
    '::ffff:7f00:1',
    '64:ff9b::7f00:1',
    '2002:7f00:1::',
    'fd00::1',
    'fe80::1%eth0',
    'not an address',
  ])('a name that leads to %s is blocked', async (address) => {
    const { lookup } = answering([address]);
    const room = fetchRoom([grant], { lookup });
    const refused = room.request({ url });
    expect(await codeOf(refused)).toBe('network_blocked');
    // The operator is told where it led, the plugin is not.
    await expect(refused).rejects.toThrow(/has an address that is not public/);
    await expect(refused).rejects.not.toThrow(address);
    expect(room.logged).toEqual([
      { level: 'warn', message: 'fetch blocked', fields: expect.objectContaining({ address, plugin: 'test-plugin' }) },
    ]);
  });

  test('one private address among public ones blocks them all', async () => {
    await using server = await rawServer(() => undefined);
    const { lookup } = answering(['93.184.216.34', '127.0.0.1']);
    const room = fetchRoom([grant], { lookup });
    expect(await codeOf(room.request({ url }))).toBe('network_blocked');
    expect(server.connections).toBe(0);
  });
});

test('the name is resolved once: a second answer has no effect', async () => {
  await using good = await rawServer((socket) => socket.write(httpAnswer('200 OK', ['Connection: close'], 'good')));
  const { asked, lookup } = answering(['127.0.0.1'], ['127.0.0.2']);
  const grants = [`network:evil.example:${good.port}`, `network:127.0.0.1:${good.port}`];
  const room = fetchRoom(grants, { lookup });
  const url = `http://evil.example:${good.port}/`;
  expect(await room.text(await room.request({ url }))).toBe('good');
  expect(asked).toEqual(['evil.example']);
  expect(await codeOf(room.request({ url }))).toBe('network_blocked');
});

test('a kept connection is not used for a name that leads elsewhere now', async () => {
  await using good = await rawServer((socket) => socket.write(httpAnswer('200 OK', [], 'good')));
  const { lookup } = answering(['127.0.0.1'], ['10.0.0.5']);
  const room = fetchRoom([`network:evil.example:${good.port}`, `network:127.0.0.1:${good.port}`], { lookup });
  const url = `http://evil.example:${good.port}/`;
  await room.request({ url });
  expect(await codeOf(room.request({ url }))).toBe('network_blocked');
  expect(good.received().split('GET ')).toHaveLength(2);
});
