import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { createSecureContext, createServer, TLSSocket } from 'node:tls';
import { type TestCertificate, testCertificate } from '../kit/certificate.ts';
import { connectRoom, type Peer, peer } from '../kit/connect-room.ts';
import { until, within } from '../kit/until.ts';

// TLS at once, and on a connection that began in plain text.

let own: TestCertificate;
const lookup = async () => [{ address: '127.0.0.1', family: 4 }];
const text = (bytes: Uint8Array | undefined) => new TextDecoder().decode(bytes);
const grants = (port: number) =>
  ['good.internal', 'bad.internal', '127.0.0.1'].map((host) => `network:tcp:${host}:${port}`);

const seen: { sni: string | false | null; text: string }[] = [];
const server = createServer({ ALPNProtocols: ['smtp'] }, (socket) => {
  const connection = { sni: socket.servername, text: '' };
  seen.push(connection);
  // Clients that do not trust the certificate go away in the middle.
  socket.on('error', () => undefined);
  socket.on('data', (data) => {
    connection.text += data.toString();
    socket.write(`over TLS: ${data}`);
    if (connection.text.includes('bye')) socket.end();
  });
});
let port = 0;

beforeAll(async () => {
  own = await testCertificate(['good.internal', '127.0.0.1']);
  server.setSecureContext(own);
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  port = address.port;
});
afterAll(() => {
  server.close();
});

const trusting = (at = port) => connectRoom(grants(at), { lookup, ca: [own.cert] }).connect;

describe("secureTransport: 'on'", () => {
  test('SNI and certificate are by the name, ALPN is told, and bytes pass both ways until the peer ends', async () => {
    seen.length = 0;
    const socket = trusting()(`good.internal:${port}`, { secureTransport: 'on', alpn: ['x', 'smtp'] });
    expect(socket.secureTransport).toBe('on');
    expect(await socket.opened).toMatchObject({ alpn: 'smtp' });
    const writer = socket.writable.getWriter();
    await writer.write('bye');
    expect(await new Response(socket.readable).text()).toBe('over TLS: bye');
    await within(socket.closed, 'closed');
    expect(seen).toEqual([{ sni: 'good.internal', text: 'bye' }]);
  });

  test('by an address, when the certificate has it', async () => {
    await trusting()(`127.0.0.1:${port}`, { secureTransport: 'on' }).opened;
  });

  test('`sni` is what is asked for and verified', async () => {
    const socket = trusting()(`bad.internal:${port}`, { secureTransport: 'on', sni: 'good.internal' });
    await socket.writable.getWriter().write('by sni');
    await socket.readable.getReader().read();
    expect(seen.find((connection) => connection.text === 'by sni')?.sni).toBe('good.internal');
    const refused = trusting()(`good.internal:${port}`, { secureTransport: 'on', sni: 'bad.internal' });
    await expect(refused.opened).rejects.toThrow('ERR_TLS_CERT_ALTNAME_INVALID');
  });

  test('another name is refused, and gets no byte', async () => {
    seen.length = 0;
    const socket = trusting()(`bad.internal:${port}`, { secureTransport: 'on' });
    const written = socket.writable.getWriter().write('secret');
    await expect(written).rejects.toMatchObject({ code: 'network_failed' });
    await expect(socket.opened).rejects.toThrow('ERR_TLS_CERT_ALTNAME_INVALID');
    expect(seen.map((connection) => connection.text).join('')).toBe('');
  });

  test('an unknown issuer is refused by the default trust store', async () => {
    const { connect } = connectRoom(grants(port), { lookup });
    const socket = connect(`good.internal:${port}`, { secureTransport: 'on' });
    await expect(socket.opened).rejects.toMatchObject({ code: 'network_failed' });
    await expect(socket.closed).rejects.toThrow('certificate');
  });

  test('a peer that resets the connection in the handshake: it was never open', async () => {
    await using rude = await peer((socket) => socket.once('data', () => socket.resetAndDestroy()));
    const socket = connectRoom([rude.grant]).connect(`127.0.0.1:${rude.port}`, { secureTransport: 'on' });
    await expect(socket.opened).rejects.toMatchObject({ code: 'network_failed' });
    await expect(socket.closed).rejects.toMatchObject({ code: 'network_failed' });
  });

  test('`sni` has to be a name or an address', async () => {
    await trusting()(`bad.internal:${port}`, { secureTransport: 'on', sni: '127.0.0.1' }).opened;
    const refused = trusting()(`good.internal:${port}`, { secureTransport: 'on', sni: 'good.internal:25' });
    await expect(refused.opened).rejects.toMatchObject({ code: 'invalid_input' });
    await using starting = await upgrading();
    const plain = trusting(starting.port)(`good.internal:${starting.port}`, { secureTransport: 'starttls' });
    await plain.opened;
    const upgraded = plain.startTls({ expectedServerHostname: 'a b' });
    await expect(upgraded.opened).rejects.toMatchObject({ code: 'invalid_input' });
    const accepted = await starting.accepted();
    await until(() => accepted.readableEnded || accepted.destroyed, 'the connection is closed');
  });

  test('a peer that never answers the handshake is given up, and so is one that speaks no TLS', async () => {
    await using silent = await peer();
    await using plain = await peer((socket) => socket.write('220 no TLS here\r\n'));
    const limits = { handshakeMs: 50 };
    const { connect } = connectRoom([silent.grant, plain.grant], { limits });
    const socket = connect(`127.0.0.1:${silent.port}`, { secureTransport: 'on' });
    await expect(socket.opened).rejects.toThrow('no end of the TLS handshake (ETIMEDOUT)');
    const other = connect(`127.0.0.1:${plain.port}`, { secureTransport: 'on' });
    await expect(other.opened).rejects.toMatchObject({ code: 'network_failed' });
    const accepted = await silent.accepted();
    await until(() => accepted.readableEnded || accepted.destroyed, 'the peer hears of the end');
  });
});

/** Greets, and goes over to TLS when it is told to; `before` is what it adds to its last line in plain text. */
function upgrading(before = ''): Promise<Peer> {
  return peer((socket) => {
    socket.write('220 hello\r\n');
    const onData = (data: Buffer): void => {
      if (!data.toString().includes('STARTTLS')) return;
      socket.removeListener('data', onData);
      socket.write(`220 go\r\n${before}`, () => {
        const secureContext = createSecureContext(own);
        const tls = new TLSSocket(socket, { isServer: true, secureContext });
        tls.on('error', () => undefined);
        tls.on('data', (said) => tls.write(`over TLS: ${said}`));
      });
    };
    socket.on('data', onData);
  });
}

describe('startTls', () => {
  test('goes on with TLS on the same connection; the old streams are released', async () => {
    await using starting = await upgrading();
    const plain = trusting(starting.port)(`good.internal:${starting.port}`, { secureTransport: 'starttls' });
    expect(plain.secureTransport).toBe('starttls');
    const reader = plain.readable.getReader();
    const writer = plain.writable.getWriter();
    expect(text((await reader.read()).value)).toBe('220 hello\r\n');
    await writer.write('STARTTLS\r\n');
    expect(text((await reader.read()).value)).toBe('220 go\r\n');

    const socket = plain.startTls();
    expect([plain.upgraded, socket.upgraded, socket.secureTransport]).toEqual([true, false, 'on']);
    await within(plain.closed, 'the old one is closed');
    expect((await reader.read()).done).toBe(true);
    await expect(writer.write('more')).rejects.toThrow('upgraded');
    expect(() => plain.startTls()).toThrow('upgraded already');
    expect(() => socket.startTls()).toThrow(/^SocketError: /);

    expect((await socket.opened).remoteAddress).toBe(`good.internal:${starting.port}`);
    await socket.writable.getWriter().write('secret');
    expect(text((await socket.readable.getReader().read()).value)).toBe('over TLS: secret');
    expect(starting.sockets).toHaveLength(1);
    expect(starting.received()).not.toContain('secret');
    await socket.close();
    await until(
      () => starting.sockets[0]?.destroyed || starting.sockets[0]?.readableEnded,
      'the peer hears of the end',
    );
  });

  test('may be asked for before the connection is there', async () => {
    const { connect } = connectRoom(grants(port), { lookup, ca: [own.cert] });
    const plain = connect(`good.internal:${port}`, { secureTransport: 'starttls' });
    const socket = plain.startTls();
    await socket.writable.getWriter().write('early');
    expect(text((await socket.readable.getReader().read()).value)).toBe('over TLS: early');
    await socket.close();
  });

  test('what came in plain text besides is not taken for what comes over TLS', async () => {
    await using starting = await upgrading('250 injected\r\n');
    const plain = trusting(starting.port)(`good.internal:${starting.port}`, { secureTransport: 'starttls' });
    const reader = plain.readable.getReader();
    await reader.read();
    await plain.writable.getWriter().write('STARTTLS\r\n');
    await reader.read();
    const socket = plain.startTls();
    // It goes on or it fails; never does the plugin read that line.
    const all: string[] = [];
    try {
      await socket.writable.getWriter().write('hello');
      all.push(text((await socket.readable.getReader().read()).value));
    } catch (error) {
      expect(error).toBeInstanceOf(TypeError);
    }
    expect(all.join('')).not.toContain('injected');
    await socket.close();
  });

  test('the certificate is verified, by the host name or the one that is expected', async () => {
    await using starting = await upgrading();
    const { connect } = connectRoom(grants(starting.port), { lookup, ca: [own.cert] });
    const upgrade = async (host: string, expectedServerHostname?: string) => {
      const plain = connect(`${host}:${starting.port}`, { secureTransport: 'starttls' });
      const reader = plain.readable.getReader();
      await reader.read();
      await plain.writable.getWriter().write('STARTTLS\r\n');
      await reader.read();
      return plain.startTls(expectedServerHostname === undefined ? {} : { expectedServerHostname });
    };
    const refused = await upgrade('bad.internal');
    await expect(refused.opened).rejects.toThrow('ERR_TLS_CERT_ALTNAME_INVALID');
    await expect(refused.closed).rejects.toMatchObject({ code: 'network_failed' });
    await (await upgrade('bad.internal', 'good.internal')).opened;
  });

  test('of a connection that fails rejects both', async () => {
    const plain = connectRoom([]).connect('good.internal:25', { secureTransport: 'starttls' });
    const socket = plain.startTls();
    await expect(socket.opened).rejects.toMatchObject({ code: 'permission_denied' });
    await expect(plain.opened).rejects.toMatchObject({ code: 'permission_denied' });
  });

  test('gives up on a peer that does not answer', async () => {
    await using silent = await peer();
    const { connect } = connectRoom([silent.grant], { limits: { handshakeMs: 50 } });
    const plain = connect(`127.0.0.1:${silent.port}`, { secureTransport: 'starttls' });
    await plain.opened;
    await expect(plain.startTls().opened).rejects.toThrow('ETIMEDOUT');
  });
});
