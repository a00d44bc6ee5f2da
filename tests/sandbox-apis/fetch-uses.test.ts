import { expect, test } from 'bun:test';
import { fetchRoom, httpAnswer, rawServer } from '../kit/fetch-room.ts';

// Which grants a request makes use of, beyond the one that the gate saw.

test('the number that lets a public name lead to a private address is a use of its grant; a literal address is not', async () => {
  await using server = await rawServer((socket) => socket.end(httpAnswer('200 OK', [], 'hello')));
  const used: string[] = [];
  const byNumber = `network:127.0.0.1:${server.port}`;
  const room = fetchRoom([byNumber, `network:api.example.com:${server.port}`], {
    lookup: async () => [{ address: '127.0.0.1', family: 4 }],
    used: (_caller, grant) => used.push(grant),
  });
  await room.request({ url: server.url });
  expect(used).toEqual([]);
  await room.request({ url: `http://api.example.com:${server.port}` });
  expect(used).toEqual([byNumber]);
});

test('the host of a redirect is asked for', async () => {
  await using second = await rawServer((socket) => socket.end(httpAnswer('200 OK', [], 'there')));
  await using first = await rawServer((socket) => socket.end(httpAnswer('302 Found', [`Location: ${second.url}/`])));
  const asked: string[] = [];
  const grants = [`network:127.0.0.1:${first.port}`, `network:127.0.0.1:${second.port}`];
  const room = fetchRoom(grants, { permit: (_caller, needed) => asked.push(needed) });
  expect(await room.text(await room.request({ url: first.url }))).toBe('there');
  expect(asked).toEqual([`network:127.0.0.1:${second.port}`]);
});
