import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Frame, FrameReader, FrameWriter } from '../../runtime/protocol/frame.ts';
import { CHANNEL_LIMITS } from '../../runtime/protocol/limits.ts';
import { KIND } from '../../runtime/protocol/messages.ts';
import { hostFiles } from '../../src/host/files.ts';
import type { Guest, GuestEvents } from '../../src/host/guest.ts';
import { IsolateHost } from '../../src/host/isolate-host.ts';
import { NO_LOCKS } from '../../src/host/lockdown-plan.ts';
import { createLog, type Log } from '../../src/log.ts';
import { within } from './until.ts';

/** A frame as the hostile side writes it. */
export interface Forged {
  readonly kind: number;
  readonly flags?: number;
  readonly isolate?: number;
  readonly id?: number;
  readonly head?: string;
  readonly body?: string | Uint8Array | null;
}

/** The core's real end of a host process, and this test as the process. */
export interface HostileHost extends AsyncDisposable {
  readonly host: IsolateHost;
  /** Resolves with the reason when the core has given the host up. */
  readonly exit: Promise<string>;
  /** What the core sent, besides what each host gets (boot, pings). */
  readonly received: readonly Frame[];
  /** Writes frames; resolves when the socket has taken them. */
  send(...frames: readonly Forged[]): Promise<void>;
  write(bytes: Uint8Array): Promise<void>;
  /** The core loads a plugin there, and is told that it is there. */
  load(isolate: number, plugin?: string): Promise<Guest>;
  /** Resolves when the core has read and answered everything up to here: asks as that isolate, of which it has a record. */
  settle(isolate: number): Promise<void>;
  /** Reads no more of what the core sends. */
  stopReading(): void;
  /** Ends its side of the channel. */
  hangUp(): void;
}

const REACH = { env: false, files: false, sockets: false, processes: false, parent: false, descriptors: false };
/** What a host says first. */
export const GREETING: Forged = {
  kind: KIND.ready,
  head: JSON.stringify({ node: '26', v8: '1', pid: 1, reach: REACH }),
};
const RELAY = join(import.meta.dir, 'hostile-relay.mjs');

/** One write of frames, as a host would make it. */
export function bytesOf(...frames: readonly Forged[]): Buffer {
  const writer = new FrameWriter();
  for (const { kind, flags = 0, isolate = 0, id = 0, head = '', body = null } of frames) {
    writer.add(kind, flags, 0, isolate, id, head, body);
  }
  return Buffer.from(writer.peek());
}

/** Starts a host whose process is a relay to this test. */
export async function hostileHost(guests: GuestEvents, options: { log?: Log } = {}): Promise<HostileHost> {
  const folder = await mkdtemp(join(tmpdir(), 'hostile-host-'));
  const node = join(folder, 'node');
  const address = join(folder, 'socket');
  await writeFile(node, `#!/bin/sh\nexec ${hostFiles().node} ${RELAY} ${address}\n`);
  await chmod(node, 0o755);
  const server: Server = createServer();
  const connected = new Promise<Socket>((resolve) => server.once('connection', resolve));
  await new Promise<void>((resolve) => server.listen(address, resolve));
  const exited = Promise.withResolvers<string>();
  const starting = IsolateHost.start({
    files: { node, entry: '', readable: [] },
    layer: 'permission',
    // The relay is no host: it connects to this test.
    locks: NO_LOCKS,
    prelude: '',
    log: options.log ?? createLog('silent'),
    guests,
    onExit: exited.resolve,
  });
  starting.catch(() => undefined);
  const socket = await within(connected, 'the relay connects');
  socket.on('error', () => undefined);

  const received: Frame[] = [];
  const replies = new Map<number, () => void>();
  const reader = new FrameReader((frame) => {
    if (frame.kind === KIND.boot || frame.kind === KIND.ping) return;
    received.push({ ...frame, body: Buffer.from(frame.body) });
    if (frame.kind === KIND.reply) replies.get(frame.id)?.();
  }, CHANNEL_LIMITS.frameToHostBytes);
  socket.on('data', (chunk: Buffer) => reader.push(chunk));

  const write = (bytes: Uint8Array): Promise<void> =>
    new Promise((resolve) => (socket.destroyed ? resolve() : void socket.write(bytes, () => resolve())));
  const send = (...frames: readonly Forged[]): Promise<void> => write(bytesOf(...frames));
  await send(GREETING);
  const host = await starting;
  let lastId = 0x7000_0000;

  return {
    host,
    exit: exited.promise,
    received,
    send,
    write,
    load(isolate, plugin = 'tester') {
      const head = {
        plugin,
        version: '1.0.0',
        memoryMb: 32,
        cpuMs: 500,
        loadMs: 5_000,
        timers: 10,
        onPool: false,
        config: {},
      };
      const loading = host.load(isolate, head, '');
      void send({ kind: KIND.loaded, isolate });
      return within(loading, `${plugin} is loaded`);
    },
    async settle(isolate) {
      lastId += 1;
      const id = lastId;
      const answered = new Promise<void>((resolve) => replies.set(id, resolve));
      await send({ kind: KIND.call, isolate, id, head: '"no.call"' });
      await within(answered, 'the core has answered everything');
      replies.delete(id);
    },
    stopReading: () => void socket.pause(),
    hangUp: () => void socket.destroy(),
    async [Symbol.asyncDispose]() {
      host.kill('the test is over');
      await exited.promise;
      socket.destroy();
      await new Promise((resolve) => server.close(resolve));
      await rm(folder, { recursive: true, force: true });
    },
  };
}
