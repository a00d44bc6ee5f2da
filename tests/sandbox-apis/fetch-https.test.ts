import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { createServer, type TLSSocket } from 'node:tls';
import { type TestCertificate, testCertificate } from '../kit/certificate.ts';
import { codeOf, fetchRoom, httpAnswer } from '../kit/fetch-room.ts';

let own: TestCertificate;
let port = 0;
const seen: { sni: string | false | null; requests: string }[] = [];
const server = createServer((socket: TLSSocket) => {
  const connection = { sni: socket.servername, requests: '' };
  seen.push(connection);
  // Clients that do not trust the certificate go away in the middle.
  socket.on('error', () => undefined);
  socket.on('data', (data) => {
    connection.requests += data.toString();
    socket.write(httpAnswer('200 OK', [], 'secret'));
  });
});

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

const lookup = async () => [{ address: '127.0.0.1', family: 4 }];
const grants = () => ['good.internal', 'bad.internal', '127.0.0.1'].map((host) => `network:${host}:${port}`);

describe('https to an address of our choice', () => {
  test('SNI, Host and the certificate are by the name', async () => {
    const room = fetchRoom(grants(), { lookup, ca: [own.cert] });
    seen.length = 0;
    const answer = await room.request({ url: `https://good.internal:${port}/x` });
    expect(await room.text(answer)).toBe('secret');
    expect(seen).toHaveLength(1);
    expect(seen[0]?.sni).toBe('good.internal');
    expect(seen[0]?.requests).toContain(`\r\nHost: good.internal:${port}\r\n`);
  });

  test('by an address, when the certificate has it', async () => {
    const room = fetchRoom(grants(), { ca: [own.cert] });
    expect((await room.request({ url: `https://127.0.0.1:${port}/` })).status).toBe(200);
  });

  test('another name is refused, also beside a kept connection, and gets no byte of the request', async () => {
    const room = fetchRoom(grants(), { lookup, ca: [own.cert] });
    await room.request({ url: `https://good.internal:${port}/` });
    seen.length = 0;
    const headers: [string, string][] = [['Authorization', 'Bearer secret']];
    const refused = room.request({
      url: `https://bad.internal:${port}/`,
      method: 'POST',
      headers,
      body: { text: 'b' },
    });
    await expect(refused).rejects.toThrow('ERR_TLS_CERT_ALTNAME_INVALID');
    expect(await codeOf(refused)).toBe('network_failed');
    expect(seen.map(({ requests }) => requests).join('')).toBe('');
  });

  test('an unknown issuer is refused by the default trust store', async () => {
    const room = fetchRoom(grants(), { lookup });
    expect(await codeOf(room.request({ url: `https://good.internal:${port}/` }))).toBe('network_failed');
  });

  test('NODE_TLS_REJECT_UNAUTHORIZED changes nothing', async () => {
    const before = process.env.NODE_TLS_REJECT_UNAUTHORIZED;
    process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0';
    try {
      const room = fetchRoom(grants(), { lookup });
      expect(await codeOf(room.request({ url: `https://good.internal:${port}/` }))).toBe('network_failed');
    } finally {
      if (before === undefined) delete process.env.NODE_TLS_REJECT_UNAUTHORIZED;
      else process.env.NODE_TLS_REJECT_UNAUTHORIZED = before;
    }
  });

  test('connections are kept, a pool a plugin', async () => {
    const room = fetchRoom(grants(), { lookup, ca: [own.cert] });
    seen.length = 0;
    for (let i = 0; i < 3; i += 1) await room.request({ url: `https://good.internal:${port}/` });
    expect(seen).toHaveLength(1);
  });
});
