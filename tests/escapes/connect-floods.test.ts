import { expect, test } from 'bun:test';
import { CodedError } from '../../sandbox-apis/_kit/errors.ts';
import { connectRoom, peer } from '../kit/connect-room.ts';
import { codeOf } from '../kit/fetch-room.ts';
import { until, within } from '../kit/until.ts';

// A plugin, or whom it talks to, tries to take more of the core than one connection is worth.

const MIB = 1024 * 1024;

test('a flood of sockets: the plugin has so many at once, those included that still connect', async () => {
  await using server = await peer();
  const room = connectRoom([server.grant], { limits: { open: 3, lingerMs: 50 } });
  const all = Array.from({ length: 50 }, () => room.connect(`127.0.0.1:${server.port}`));
  const opened = await Promise.allSettled(all.map((socket) => socket.opened));
  expect(opened.filter(({ status }) => status === 'fulfilled')).toHaveLength(3);
  for (const one of opened.slice(3)) {
    expect(one).toMatchObject({ status: 'rejected', reason: { code: 'quota_exceeded' } });
  }
  // A place is free again when a socket is gone.
  await all[0]?.close();
  await until(() => room.connect(`127.0.0.1:${server.port}`).opened.then(Boolean, () => false), 'a place is free');
});

test('names that nobody resolves hold a place until the call is given up', async () => {
  await using server = await peer();
  const room = connectRoom([server.grant, 'network:tcp:slow.example:25'], {
    lookup: () => new Promise(() => undefined),
    limits: { open: 1 },
  });
  const waiting = room.open({ hostname: 'slow.example', port: 25 });
  expect(await codeOf(room.open({ port: server.port }))).toBe('quota_exceeded');
  room.abort(new CodedError('deadline_exceeded'));
  expect(await codeOf(waiting)).toBe('deadline_exceeded');
});

test('a peer that never says anything: the connection ends after so long without a byte', async () => {
  await using server = await peer();
  const { connect } = connectRoom([server.grant], { limits: { idleMs: 50 } });
  const socket = connect(`127.0.0.1:${server.port}`);
  await expect(socket.readable.getReader().read()).rejects.toMatchObject({ code: 'deadline_exceeded' });
  await expect(socket.closed).rejects.toThrow('50 ms');
  const accepted = await server.accepted();
  await until(() => accepted.readableEnded || accepted.destroyed, 'the peer hears of the end');
});

test('a peer that sends forever to a reader that does not read: it is held up, and little is kept', async () => {
  await using server = await peer((socket) => {
    const block = Buffer.alloc(65_536);
    const send = (): void => {
      while (socket.write(block));
    };
    socket.on('drain', send);
    send();
  });
  let received = 0;
  const meter = (_plugin: string, _out: number, got: number) => {
    received += got;
  };
  const room = connectRoom([server.grant], { meter });
  const { stream } = await room.open({ port: server.port });
  const accepted = await server.accepted();
  await until(() => accepted.writableNeedDrain, 'the peer has to wait');
  expect(received).toBe(0);
  const reader = room.take(stream).getReader();
  let read = 0;
  while (read < 4 * MIB) read += (await reader.read()).value?.length ?? 0;
  expect(received - read).toBeLessThan(MIB);
  const then = received;
  await until(() => accepted.writableNeedDrain, 'the peer has to wait again');
  expect(received - then).toBeLessThan(MIB);
});

test('a peer that does not read holds up the plugin: little waits in the core', async () => {
  await using server = await peer((socket) => socket.pause());
  let sent = 0;
  let pulls = 0;
  const meter = (_plugin: string, out: number) => {
    sent += out;
  };
  const room = connectRoom([server.grant], { meter });
  const { socket } = await room.open({ port: server.port });
  (await server.accepted()).pause();
  const stream = room.offer(
    new ReadableStream(
      {
        pull(controller) {
          pulls += 1;
          if (pulls > 5_000) controller.close();
          else controller.enqueue(new Uint8Array(65_536));
        },
      },
      { highWaterMark: 0 },
    ),
  );
  await room.call('connect.attach', { socket, stream });
  // The system's own buffers take some; then nothing is asked for any more.
  let before = -1;
  await until(() => {
    const still = sent === before && sent > 0;
    before = sent;
    return still;
  }, 'the plugin has to wait');
  expect(sent).toBeLessThan(64 * MIB);
  expect(pulls).toBeLessThan(1_000);
});

test('bytes over the quota end the connection for both', async () => {
  await using server = await peer((socket) => socket.write(Buffer.alloc(100_000)));
  let left = 50_000;
  const meter = (_plugin: string, out: number, got: number) => {
    left -= out + got;
    if (left < 0) throw new CodedError('quota_exceeded', 'no more', { limit: 'outboundBytesPerMinute' });
  };
  const { connect } = connectRoom([server.grant], { meter });
  const socket = connect(`127.0.0.1:${server.port}`);
  const read = new Response(socket.readable).arrayBuffer();
  await expect(read).rejects.toMatchObject({ code: 'quota_exceeded', cause: { limit: 'outboundBytesPerMinute' } });
  await expect(socket.closed).rejects.toMatchObject({ code: 'quota_exceeded' });
  const accepted = await server.accepted();
  await until(() => accepted.readableEnded || accepted.destroyed, 'the peer hears of the end');
  await expect(connect(`127.0.0.1:${server.port}`).opened).rejects.toMatchObject({ code: 'quota_exceeded' });
});

test('a peer that goes on sending after the plugin has closed is not listened to for long', async () => {
  await using server = await peer((socket) => {
    const send = (): void => {
      while (!socket.destroyed && socket.write(Buffer.alloc(65_536)));
    };
    socket.on('drain', send);
    send();
  });
  let received = 0;
  const meter = (_plugin: string, _out: number, got: number) => {
    received += got;
  };
  const room = connectRoom([server.grant], { meter, limits: { lingerMs: 60_000, lingerBytes: 100_000, open: 1 } });
  const socket = room.connect(`127.0.0.1:${server.port}`);
  await socket.opened;
  await socket.close();
  const accepted = await server.accepted();
  await until(() => accepted.destroyed, 'the peer is cut off');
  expect(received).toBeLessThan(2 * MIB);
  await room.connect(`127.0.0.1:${server.port}`).opened;
});

test('nor one that only keeps its side open', async () => {
  await using server = await peer();
  const room = connectRoom([server.grant], { limits: { lingerMs: 50, open: 1 } });
  const socket = room.connect(`127.0.0.1:${server.port}`);
  await socket.opened;
  await socket.close();
  await until(() => room.connect(`127.0.0.1:${server.port}`).opened.then(Boolean, () => false), 'the place is free');
});

test('a stream that is not bytes, or that fails, ends the connection', async () => {
  await using server = await peer();
  const room = connectRoom([server.grant]);
  const { socket, stream } = await room.open({ port: server.port });
  const failing = new ReadableStream({ pull: (controller) => controller.error(new Error('the plugin has failed')) });
  await room.call('connect.attach', { socket, stream: room.offer(failing) });
  await expect(room.take(stream).getReader().read()).rejects.toMatchObject({ code: 'aborted' });
  const accepted = await server.accepted();
  await within(
    until(() => accepted.readableEnded || accepted.destroyed, 'it ends'),
    'it ends',
  );
});

test('what is opened for a plugin that is gone meanwhile is closed', async () => {
  await using server = await peer();
  const gone = Promise.withResolvers<{ address: string; family: number }[]>();
  const room = connectRoom([`network:tcp:localhost:${server.port}`], { lookup: () => gone.promise });
  const opening = room.open({ hostname: 'localhost', port: server.port });
  room.abort(new CodedError('aborted'));
  expect(await codeOf(opening)).toBe('aborted');
  gone.resolve([{ address: '127.0.0.1', family: 4 }]);
  expect(room.untaken).toBe(0);
});
