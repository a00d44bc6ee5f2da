import { describe, expect, test } from 'bun:test';
import { connectRoom, peer } from '../kit/connect-room.ts';
import { codeOf } from '../kit/fetch-room.ts';
import { until, within } from '../kit/until.ts';

// The guest's sockets over the room's handlers and real servers; plain text.

const text = (bytes: Uint8Array | undefined) => new TextDecoder().decode(bytes);

describe('a connection', () => {
  test('is there at once, and sends and receives when it is open', async () => {
    await using server = await peer((socket) => {
      socket.write('220 hello\r\n');
      socket.on('data', (data) => socket.write(`you said ${data}`));
    });
    const { connect } = connectRoom([server.grant]);
    const socket = connect(`127.0.0.1:${server.port}`);
    expect(socket.secureTransport).toBe('off');
    expect(socket.upgraded).toBe(false);
    const writer = socket.writable.getWriter();
    const written = writer.write(Buffer.from('EHLO'));
    const reader = socket.readable.getReader();
    expect(text((await reader.read()).value)).toBe('220 hello\r\n');
    await written;
    expect(text((await reader.read()).value)).toBe('you said EHLO');
    expect(await socket.opened).toEqual({
      remoteAddress: `127.0.0.1:${server.port}`,
      localAddress: null,
      alpn: null,
    });
    await socket.close();
    await until(() => server.sockets[0]?.readableEnded, 'the peer hears of the end');
  });

  test('takes text, buffers and views, byte for byte', async () => {
    await using server = await peer();
    const { connect } = connectRoom([server.grant]);
    const socket = connect({ hostname: '127.0.0.1', port: server.port });
    const writer = socket.writable.getWriter();
    await writer.write('é');
    await writer.write(new Uint8Array([1, 2]).buffer);
    await writer.write(new DataView(new Uint8Array([3, 4, 5, 6]).buffer, 1, 2));
    await writer.write(new Uint8Array());
    await writer.close();
    const [first] = [await server.accepted()];
    await until(() => first.readableEnded, 'the peer hears of the end');
    expect(server.received()).toBe('\u00c3\u00a9\u0001\u0002\u0004\u0005');
    const other = connect(`127.0.0.1:${server.port}`).writable.getWriter();
    await expect(other.write(5 as never)).rejects.toThrow('bytes');
  });

  test('closes when the peer ends, and what it sent before is read', async () => {
    await using server = await peer((socket) => socket.end('bye'));
    const { connect } = connectRoom([server.grant]);
    const socket = connect(`127.0.0.1:${server.port}`);
    expect(await new Response(socket.readable).text()).toBe('bye');
    await within(socket.closed, 'closed');
    await expect(socket.writable.getWriter().write('more')).rejects.toThrow('closed');
    await until(() => server.sockets[0]?.readableEnded, 'the peer hears of the end');
  });

  test('says that it is closed though nobody reads', async () => {
    await using server = await peer((socket) => socket.end());
    const { connect } = connectRoom([server.grant]);
    await within(connect(`127.0.0.1:${server.port}`).closed, 'closed');
  });

  test('with allowHalfOpen may go on sending when the peer has ended, and closes with its own end', async () => {
    await using server = await peer((socket) => socket.end('your turn'));
    const { connect } = connectRoom([server.grant]);
    const socket = connect(`127.0.0.1:${server.port}`, { allowHalfOpen: true });
    expect(await new Response(socket.readable).text()).toBe('your turn');
    const writer = socket.writable.getWriter();
    await writer.write('one ');
    await writer.write('two');
    await writer.close();
    await within(socket.closed, 'closed');
    await until(() => server.sockets[0]?.readableEnded, 'the peer hears of the end');
    expect(server.received()).toBe('one two');
  });

  test('may go on reading when its own end is sent', async () => {
    await using server = await peer((socket) => socket.on('end', () => socket.end('all of it')));
    const { connect } = connectRoom([server.grant]);
    const socket = connect(`127.0.0.1:${server.port}`);
    await socket.writable.close();
    expect(await new Response(socket.readable).text()).toBe('all of it');
    await within(socket.closed, 'closed');
  });

  test('cancelling what it reads and ending what it writes does not resolve `closed`; close does', async () => {
    await using server = await peer();
    const { connect } = connectRoom([server.grant]);
    const socket = connect(`127.0.0.1:${server.port}`);
    let closed = false;
    void socket.closed.then(() => {
      closed = true;
    });
    await socket.readable.cancel();
    await socket.writable.getWriter().write('still here');
    await until(() => server.received() === 'still here', 'the bytes arrive');
    expect(closed).toBe(false);
    await socket.close();
    expect(closed).toBe(true);
  });

  test('that the peer resets fails both streams, and closes', async () => {
    await using server = await peer((socket) => socket.once('data', () => socket.resetAndDestroy()));
    const { connect } = connectRoom([server.grant]);
    const socket = connect(`127.0.0.1:${server.port}`);
    const reader = socket.readable.getReader();
    await socket.writable.getWriter().write('x');
    await expect(reader.read()).rejects.toMatchObject({ code: 'network_failed' });
    await expect(reader.read()).rejects.toThrow('ECONNRESET');
    await within(socket.closed, 'closed');
  });

  test('that is aborted by its writer ends at once for both', async () => {
    await using server = await peer();
    const { connect } = connectRoom([server.grant]);
    const socket = connect(`127.0.0.1:${server.port}`);
    await socket.opened;
    const accepted = await server.accepted();
    await socket.writable.abort(new Error('enough'));
    await expect(socket.readable.getReader().read()).rejects.toMatchObject({ code: 'aborted' });
    await expect(socket.closed).rejects.toThrow('SocketError: ');
    await until(() => accepted.destroyed || accepted.readableEnded, 'the peer hears of the end');
  });
});

describe('close', () => {
  test('sends what was written before', async () => {
    await using server = await peer();
    const { connect } = connectRoom([server.grant]);
    const socket = connect(`127.0.0.1:${server.port}`);
    const writer = socket.writable.getWriter();
    await writer.write('x'.repeat(300_000));
    await writer.write('QUIT\r\n');
    expect(await socket.close()).toBeUndefined();
    expect(socket.close()).toBe(socket.closed);
    const accepted = await server.accepted();
    await until(() => accepted.readableEnded, 'the peer hears of the end');
    expect(server.received()).toHaveLength(300_006);
    await expect(writer.write('more')).rejects.toThrow('closed');
  });

  test('before it is open rejects `opened`, and leaves no connection', async () => {
    await using server = await peer();
    const { connect } = connectRoom([server.grant]);
    const socket = connect(`127.0.0.1:${server.port}`);
    const reader = socket.readable.getReader();
    await socket.close('changed my mind');
    await expect(socket.opened).rejects.toBe('changed my mind');
    expect((await reader.read()).done).toBe(true);
    const accepted = await server.accepted();
    await until(() => accepted.readableEnded, 'the peer hears of the end');
  });
});

describe('what is refused', () => {
  const { connect } = connectRoom([]);
  const addresses = ['', 'example.com', 'example.com:', ':25', 'example.com:0', 'example.com:65536', '::1:25', 5, null];
  addresses.push({ hostname: 'a' } as never, { port: 5 } as never, { hostname: '', port: 5 } as never);
  test.each(addresses)('the address %p, at once', (address) => {
    expect(() => connect(address as never)).toThrow(TypeError);
    expect(() => connect(address as never)).toThrow(/^SocketError: /);
  });

  test.each([
    { secureTransport: 'tls' },
    { sni: 'a.example' },
    { alpn: ['h2'] },
    { secureTransport: 'on', sni: 5 },
    { secureTransport: 'on', alpn: 'h2' },
    { secureTransport: 'on', alpn: [''] },
  ])('the options %p, at once', (options) => {
    expect(() => connect('a.example:25', options as never)).toThrow(/^SocketError: /);
  });

  test('startTls on a socket that was not opened for it', async () => {
    expect(() => connect('a.example:25').startTls()).toThrow(/^SocketError: /);
    expect(() => connect('a.example:25', { secureTransport: 'on' }).startTls()).toThrow(/^SocketError: /);
  });

  test('a port that is not granted: a PermissionError, everywhere', async () => {
    const socket = connect('a.example:25');
    const refusal = { code: 'permission_denied', permission: 'network:tcp:a.example:25' };
    await expect(socket.opened).rejects.toMatchObject(refusal);
    await expect(socket.closed).rejects.toMatchObject(refusal);
    await expect(socket.readable.getReader().read()).rejects.toMatchObject(refusal);
    await expect(socket.writable.getWriter().write('x')).rejects.toMatchObject({ code: 'permission_denied' });
  });

  test('a name that does not exist, and a port that nobody listens on', async () => {
    const lookup = () => Promise.reject(Object.assign(new Error('no'), { code: 'ENOTFOUND', syscall: 'getaddrinfo' }));
    const room = connectRoom(['network:tcp:a.example:25', 'network:tcp:127.0.0.1:1'], { lookup });
    await expect(room.connect('a.example:25').opened).rejects.toMatchObject({
      code: 'network_failed',
      message: 'SocketError: tcp://a.example:25: the name is not known (ENOTFOUND)',
    });
    await expect(room.connect('127.0.0.1:1').closed).rejects.toThrow('no connection (ECONNREFUSED)');
  });

  test('the next address is tried when one takes no connection', async () => {
    await using server = await peer();
    const lookup = async () => ['127.0.0.3', '127.0.0.1'].map((address) => ({ address, family: 4 }));
    const grants = [server.grant, `network:tcp:127.0.0.3:${server.port}`, `network:tcp:mail.example:${server.port}`];
    const { connect } = connectRoom(grants, { lookup });
    expect((await connect(`mail.example:${server.port}`).opened).remoteAddress).toBe(`mail.example:${server.port}`);
  });
});

test('a socket is known to the isolate that opened it only', async () => {
  await using server = await peer();
  const room = connectRoom([server.grant]);
  const { socket } = await room.open({ port: server.port });
  const stranger = { ...room.caller, isolate: 2 };
  const stream = () => room.offer(new ReadableStream());
  expect(await codeOf(room.call('connect.attach', { socket, stream: stream() }, stranger))).toBe('network_failed');
  expect(await codeOf(room.call('connect.attach', { socket: socket + 1, stream: stream() }))).toBe('network_failed');
  await room.call('connect.attach', { socket, stream: stream() });
  expect(await codeOf(room.call('connect.attach', { socket, stream: stream() }))).toBe('invalid_input');
  expect(await codeOf(room.call('connect.startTls', { socket, sni: null }))).toBe('invalid_input');
});

test('bytes are told both ways, and a meter that refuses ends the connection', async () => {
  await using server = await peer((socket) => socket.on('data', (data) => socket.write(data)));
  let out = 0;
  let received = 0;
  const meter = (_plugin: string, sent: number, got: number) => {
    out += sent;
    received += got;
    if (received > 8) throw Object.assign(new Error('no CodedError'));
  };
  const { connect } = connectRoom([server.grant], { meter });
  const socket = connect(`127.0.0.1:${server.port}`);
  const writer = socket.writable.getWriter();
  const reader = socket.readable.getReader();
  await writer.write('12345');
  expect(text((await reader.read()).value)).toBe('12345');
  expect([out, received]).toEqual([5, 5]);
  await writer.write('67890');
  await expect(reader.read()).rejects.toMatchObject({ code: 'internal' });
  await expect(socket.closed).rejects.toThrow();
});
