import { expect, test } from 'bun:test';
import { codeOf, fetchRoom, httpAnswer, rawServer } from '../kit/fetch-room.ts';

// ADVERSARY 46, 47, 58: an address is judged after parsing, however it is spelt.
const spellings = [
  '127.0.0.1',
  '127.1',
  '127.0.1',
  '2130706433',
  '0x7f000001',
  '0x7f.0.0.1',
  '0X7F.1',
  '0177.0.0.1',
  '017700000001',
  '１２７.0.0.1',
  '127。0。0。1',
  '①②⑦.0.0.1',
  '%31%32%37.0.0.1',
  '127.0.0.1.',
  '127.127.127.127',
  '0',
  '0.0.0.0',
  '0.0.0.0.',
  '[::1]',
  '[0:0:0:0:0:0:0:1]',
  '[::]',
  '[::ffff:127.0.0.1]',
  '[::ffff:7f00:1]',
  '[::FFFF:7F00:0001]',
  '[::127.0.0.1]',
  '[::ffff:0:127.0.0.1]',
  '[64:ff9b::127.0.0.1]',
  '[64:ff9b:1::7f00:1]',
  '[2002:7f00:1::]',
  '[2001:0:7f00:1::]',
  '[fe80::1]',
  '[fd00:ec2::254]',
  '10.0.0.1',
  '192.168.0.1',
  '172.16.0.1',
  '100.64.0.1',
  '169.254.169.254',
  '2852039166',
  '100.100.100.200',
  'localhost',
  'LOCALHOST',
  'localhost.',
  'ｌocalhost',
  'db.localhost',
  'metadata.google.internal',
];

test.each(spellings)('%s is not a public host', async (spelling) => {
  await using server = await rawServer((socket) => socket.write(httpAnswer('200 OK')), '127.0.0.1');
  let lookups = 0;
  const lookup = async () => {
    lookups += 1;
    return [{ address: '127.0.0.1', family: 4 }];
  };
  const room = fetchRoom(['network', 'network:*.example.com'], { lookup });
  expect(await codeOf(room.request({ url: `http://${spelling}:${server.port}/` }))).toBe('permission_denied');
  expect([server.connections, lookups]).toEqual([0, 0]);
});

test('a spelling of what is granted reaches it, and only its port', async () => {
  await using server = await rawServer((socket) => socket.write(httpAnswer('200 OK')));
  const room = fetchRoom([`network:127.0.0.1:${server.port}`]);
  expect((await room.request({ url: `http://[::ffff:127.0.0.1]:${server.port}/` })).status).toBe(200);
  expect((await room.request({ url: `http://0x7f.1:${server.port}/` })).status).toBe(200);
  expect(await codeOf(room.request({ url: 'http://127.0.0.1:5432/' }))).toBe('permission_denied');
  expect(await codeOf(room.request({ url: `http://127.0.0.2:${server.port}/` }))).toBe('permission_denied');
});

test('the refusal names what would have to be granted', async () => {
  const room = fetchRoom(['network']);
  await expect(room.request({ url: 'http://2130706433:5432/' })).rejects.toMatchObject({
    code: 'permission_denied',
    extra: { permission: 'network:127.0.0.1:5432' },
  });
});
