import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { SMTPServer } from 'smtp-server';
import { testCertificate } from '../kit/certificate.ts';
import { install, tempFolder } from '../kit/plugin.ts';
import { type RunningCore, startCore } from '../kit/start-core.ts';
import { until } from '../kit/until.ts';

// A plugin sends mail with an npm package that was written for `cloudflare:sockets`, to a real SMTP server whose
// certificate is of a private CA, which the operator has named.

setDefaultTimeout(60_000);

const MAILER = join(import.meta.dir, '../../node_modules/worker-mailer');
const LOGIN = { username: 'mailer', password: 'a password of the tests' };

interface Mail {
  readonly from: string;
  readonly to: readonly string[];
  readonly text: string;
  readonly secure: boolean;
  readonly user: string | undefined;
}

const mails: Mail[] = [];
const servers: SMTPServer[] = [];
let open = 0;

/** Listens on a free port of this machine; answers the port. */
async function smtpServer(options: ConstructorParameters<typeof SMTPServer>[0]): Promise<number> {
  const server = new SMTPServer({
    logger: false,
    disableReverseLookup: true,
    ...options,
    onConnect(_session, done) {
      open += 1;
      done();
    },
    onClose() {
      open -= 1;
    },
    onAuth({ username, password }, _session, done) {
      if (username === LOGIN.username && password === LOGIN.password) done(null, { user: username });
      else done(new Error('wrong password'));
    },
    onData(stream, { envelope, secure, user }, done) {
      const chunks: Buffer[] = [];
      stream.on('data', (chunk: Buffer) => chunks.push(chunk));
      stream.on('end', () => {
        mails.push({
          from: envelope.mailFrom === false ? '' : envelope.mailFrom.address,
          to: envelope.rcptTo.map(({ address }) => address),
          text: Buffer.concat(chunks).toString(),
          secure,
          user,
        });
        done();
      });
    },
  });
  servers.push(server);
  // A client that does not trust the certificate goes away in the middle.
  server.on('error', () => undefined);
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const address = server.server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

let data: Awaited<ReturnType<typeof tempFolder>>;
let core: RunningCore;
let web: ReturnType<typeof Bun.serve>;
const ports = { plain: 0, starttls: 0, tls: 0, stranger: 0 };

beforeAll(async () => {
  const own = await testCertificate(['localhost']);
  const strange = await testCertificate(['localhost']);
  data = await tempFolder();
  const ca = join(data.path, 'ca.pem');
  await writeFile(ca, own.cert);
  ports.plain = await smtpServer({ disabledCommands: ['STARTTLS', 'AUTH'] });
  ports.starttls = await smtpServer({ ...own });
  ports.tls = await smtpServer({ ...own, secure: true });
  ports.stranger = await smtpServer({ ...strange, secure: true });
  web = Bun.serve({ port: 0, hostname: '127.0.0.1', tls: own, fetch: () => new Response('over https') });
  core = await startCore({ env: { STREAMSPACE_EXTRA_CA: ca } });
  await install(core, {
    manifest: {
      name: 'mailer',
      permissions: [
        ...Object.values(ports).map((port) => `network:tcp:localhost:${port}`),
        `network:localhost:${web.port}`,
      ],
    },
    'node_modules/worker-mailer/package.json': await readFile(join(MAILER, 'package.json'), 'utf8'),
    'node_modules/worker-mailer/dist/index.mjs': await readFile(join(MAILER, 'dist/index.mjs'), 'utf8'),
    'index.ts': `
      import { definePlugin } from '@streamspace/sdk';
      import { WorkerMailer } from 'worker-mailer';

      export default definePlugin({
        onLoad({ api, fetch }) {
          api.post('/send', async (request) => {
            const { options, email } = await request.json();
            try {
              await WorkerMailer.send({ host: 'localhost', socketTimeoutMs: 10_000, ...options }, email);
              return { sent: true };
            } catch (error) {
              return { sent: false, name: error.name, message: error.message, code: error.code };
            }
          }, { auth: 'public' });
          api.get('/https', async () => (await fetch('https://localhost:${web.port}/')).text(), { auth: 'public' });
        },
      });
    `,
  });
});

afterAll(async () => {
  await core?.stop();
  await web?.stop(true);
  await Promise.all(servers.map((server) => new Promise<void>((done) => server.close(() => done()))));
  await data?.[Symbol.asyncDispose]();
});

const email = {
  from: { name: 'StreamSpace', email: 'streamspace@example.com' },
  to: ['ada@example.com', 'grace@example.com'],
  subject: 'Your session is ready',
  text: 'Grüße aus dem Isolat.\n.\nA line with one dot is above.',
};

async function send(options: object) {
  const body = JSON.stringify({ options, email });
  const { body: answer } = await core.api('POST', '/api/plugins/mailer/send', {
    token: null,
    body,
    headers: { 'content-type': 'application/json' },
  });
  return answer;
}

describe('a mail arrives', () => {
  test.each([
    ['in plain text', () => ({ port: ports.plain, startTls: false }), false, undefined],
    ['with STARTTLS and AUTH', () => ({ port: ports.starttls, credentials: LOGIN, authType: 'plain' }), true, 'mailer'],
    [
      'over TLS with AUTH',
      () => ({ port: ports.tls, secure: true, credentials: LOGIN, authType: 'login' }),
      true,
      'mailer',
    ],
  ] as const)('%s', async (_how, options, secure, user) => {
    mails.length = 0;
    expect(await send(options())).toEqual({ sent: true });
    expect(mails).toHaveLength(1);
    const [mail] = mails;
    expect(mail).toMatchObject({ from: 'streamspace@example.com', to: email.to, secure, user });
    expect(mail?.text).toContain('Subject: Your session is ready');
    expect(mail?.text).toContain('Gr=C3=BC=C3=9Fe aus dem Isolat.');
    await until(() => open === 0, 'the connection is closed');
  });
});

test('a wrong password is refused by the server', async () => {
  const credentials = { ...LOGIN, password: 'guessed' };
  const answer = await send({ port: ports.tls, secure: true, credentials, authType: 'plain' });
  expect(answer).toMatchObject({ sent: false, message: expect.stringContaining('535') });
});

test('a server of an issuer that nobody trusts gets neither the password nor the mail', async () => {
  mails.length = 0;
  const answer = await send({ port: ports.stranger, secure: true, credentials: LOGIN, authType: 'plain' });
  expect(answer).toMatchObject({ sent: false, name: 'TypeError', code: 'network_failed' });
  expect(answer.message).toStartWith('SocketError: ');
  expect(mails).toEqual([]);
});

test('a port that is not granted is refused, and the refusal names the permission', async () => {
  const answer = await send({ port: 25 });
  expect(answer).toMatchObject({ sent: false, name: 'PermissionError', code: 'permission_denied' });
  expect(answer.message).toContain('network:tcp:localhost:25');
});

test('fetch trusts the same CA', async () => {
  expect((await core.api('GET', '/api/plugins/mailer/https', { token: null })).body).toBe('over https');
});
