import { afterAll, beforeAll, beforeEach, describe, expect, setDefaultTimeout, test } from 'bun:test';
import type { Socket } from 'node:net';
import { type Peer, peer } from '../kit/connect-room.ts';
import { install } from '../kit/plugin.ts';
import { type RunningCore, startCore } from '../kit/start-core.ts';
import { until } from '../kit/until.ts';

// Sockets of a plugin in its isolate, against a real server: what passes, and what ends them.

setDefaultTimeout(60_000);

const NAME = 'talker';
let core: RunningCore;
let echo: Peer;
let flood: Peer;

/** What the plugin runs: the body of an async function with `connect`, `port`, `keep` and `streamspace`. */
async function run(code: string) {
  const { status, body } = await core.api('POST', `/api/plugins/${NAME}/run`, { token: null, body: { code } });
  if (status !== 200) throw new Error(`the plugin answers ${status}: ${JSON.stringify(body)}`);
  return body;
}

const gone = (socket: Socket | undefined) =>
  until(() => socket?.destroyed || socket?.readableEnded, 'the peer hears of the end');
const lastOf = ({ sockets }: Peer) => sockets.at(-1);

beforeAll(async () => {
  echo = await peer((socket) => {
    socket.on('data', (data) => {
      if (!socket.write(data)) socket.pause();
    });
    socket.on('drain', () => socket.resume());
    socket.on('end', () => socket.end());
  });
  flood = await peer((socket) => {
    const block = Buffer.alloc(65_536, 1);
    const send = (): void => {
      while (!socket.destroyed && socket.write(block));
    };
    socket.on('drain', send);
    send();
  });
  core = await startCore();
  await install(core, {
    manifest: { name: NAME, permissions: [echo.grant, flood.grant] },
    'index.ts': `
      import { connect } from 'cloudflare:sockets';
      const keep = globalThis.keep = {};
      const shown = (error) => ({ name: error.name, class: error.constructor.name, message: error.message, code: error.code,
        permission: error.permission, typeError: error instanceof TypeError });
      export default {
        onLoad({ api }) {
          api.post('/run', async (request) => {
            try {
              const { code } = await request.json();
              const made = new Function('connect', 'echo', 'flood', 'keep', 'shown',
                'return (async () => {' + code + '})()');
              return { value: await made(connect, '127.0.0.1:${echo.port}', '127.0.0.1:${flood.port}', keep, shown) };
            } catch (error) {
              return { error: shown(error) };
            }
          }, { auth: 'public' });
        },
      };
    `,
  });
});
afterAll(async () => {
  await core?.stop();
  await echo?.[Symbol.asyncDispose]();
  await flood?.[Symbol.asyncDispose]();
});

test('the module and the global are the same, and bytes come back as they were sent', async () => {
  const { value } = await run(`
    const socket = connect(echo);
    const bytes = new Uint8Array(1_000_003);
    for (let i = 0; i < bytes.length; i += 1) bytes[i] = (i * 7 + (i >> 8)) % 256;
    const writing = (async () => {
      const writer = socket.writable.getWriter();
      for (let at = 0; at < bytes.length; at += 100_000) await writer.write(bytes.subarray(at, at + 100_000));
      await writer.close();
    })();
    let length = 0;
    let same = true;
    for await (const chunk of socket.readable) {
      for (let i = 0; i < chunk.length; i += 1) same &&= chunk[i] === bytes[length + i];
      length += chunk.length;
    }
    await writing;
    await socket.closed;
    return { same, length, one: connect === streamspace.connect, kind: Object.prototype.toString.call(socket.readable) };
  `);
  expect(value).toEqual({ same: true, length: 1_000_003, one: true, kind: '[object ReadableStream]' });
  await gone(lastOf(echo));
});

test('errors look as the proposal says, and have our codes', async () => {
  const { value } = await run(`
    const errors = [];
    try { connect('no port'); } catch (error) { errors.push(shown(error)); }
    try { connect(echo).startTls(); } catch (error) { errors.push(shown(error)); }
    await connect('127.0.0.1:1').opened.catch((error) => errors.push(shown(error)));
    await connect({ hostname: 'a b', port: 25 }).opened.catch((error) => errors.push(shown(error)));
    try { new (connect(echo).constructor)(); } catch (error) { errors.push(shown(error)); }
    return errors;
  `);
  const socketError = { name: 'TypeError', class: 'SocketError', typeError: true };
  expect(value).toEqual([
    { ...socketError, code: 'invalid_input', message: 'SocketError: the address has to be "host:port"' },
    { ...socketError, message: expect.stringContaining("secureTransport: 'starttls'") },
    expect.objectContaining({ name: 'PermissionError', permission: 'network:tcp:127.0.0.1:1', typeError: false }),
    { ...socketError, code: 'invalid_input', message: 'SocketError: address: the host name is not valid' },
    expect.objectContaining({ message: 'Illegal constructor' }),
  ]);
});

test('sockets that are refused cost nothing: after thousands the plugin goes on', async () => {
  const { value } = await run(`
    let refused = 0;
    for (let i = 0; i < 1_500; i += 1) {
      const socket = connect('127.0.0.1:1');
      const writing = socket.writable.getWriter().write('never sent');
      await writing.catch(() => { refused += 1; });
    }
    const socket = connect(echo);
    await socket.opened;
    await socket.close();
    return refused;
  `);
  expect(value).toBe(1_500);
});

test('a peer that sends forever to a plugin that does not read is held up', async () => {
  await run(`keep.flood = connect(flood); await keep.flood.opened;`);
  const socket = await flood.accepted(flood.sockets.length - 1);
  await until(() => socket.writableNeedDrain, 'the peer has to wait');
  const sent = socket.bytesWritten;
  expect((await run(`return (await keep.flood.readable.getReader().read()).value.length;`)).value).toBeGreaterThan(0);
  // A window of the channel, and what the systems hold.
  expect(socket.bytesWritten - sent).toBeLessThan(16 * 1024 * 1024);
  await run(`await keep.flood.close();`);
  await gone(socket);
});

test('what the plugin does to its globals does not reach its sockets, nor they the host', async () => {
  const { value } = await run(`
    const { then } = Promise.prototype;
    const seen = [];
    const patched = { enqueue: ReadableStreamDefaultController.prototype.enqueue };
    Promise.prototype.then = function (...args) { seen.push(typeof this); return then.apply(this, args); };
    ReadableStreamDefaultController.prototype.enqueue = function () { seen.push('enqueue'); return patched.enqueue.apply(this, arguments); };
    globalThis.ReadableStream = globalThis.WritableStream = class {};
    try {
      const socket = connect(echo);
      const writer = socket.writable.getWriter();
      await writer.write('hello');
      const { value } = await socket.readable.getReader().read();
      await socket.close();
      return new TextDecoder().decode(value);
    } finally {
      Promise.prototype.then = then;
      ReadableStreamDefaultController.prototype.enqueue = patched.enqueue;
    }
  `);
  expect(value).toBe('hello');
});

describe('what ends a socket', () => {
  const onSwitch = (on: boolean) => core.api('PUT', `/api/plugins/${NAME}/switches/connect`, { body: { on } });
  let socket: Socket | undefined;

  beforeEach(async () => {
    await run(`
      keep.socket = connect(echo);
      await keep.socket.writable.getWriter().write('x');
      keep.closed = keep.socket.closed.then(() => 'closed', shown);
    `);
    socket = lastOf(echo);
    expect(socket?.destroyed).toBe(false);
  });

  test('an admin switches the capability off', async () => {
    expect((await onSwitch(false)).status).toBe(200);
    await gone(socket);
    expect((await run('return keep.closed')).value).toMatchObject({
      name: 'PermissionError',
      code: 'permission_denied',
    });
    expect((await run('await connect(echo).opened')).error).toMatchObject({ code: 'permission_denied' });
    expect((await onSwitch(true)).status).toBe(200);
    await run('await connect(echo).opened');
  });

  test('the isolate is lost', async () => {
    await run('for (;;);').catch(() => undefined);
    await gone(socket);
    await until(() => run('return 1').catch(() => null), 'the plugin is back');
  });

  test('the plugin is disabled', async () => {
    expect((await core.api('POST', `/api/plugins/${NAME}/disable`)).status).toBe(200);
    await gone(socket);
    expect((await core.api('POST', `/api/plugins/${NAME}/enable`)).status).toBe(200);
  });
});
