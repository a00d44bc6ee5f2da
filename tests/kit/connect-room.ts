import { createServer, type Socket as NetSocket } from 'node:net';
import type { Static } from '@sinclair/typebox';
import { Value } from '@sinclair/typebox/value';
import { fromCore } from '../../runtime/guest/errors.ts';
import type { CallContract, Caller } from '../../sandbox-apis/_kit/contract.ts';
import { CodedError, permissionDenied } from '../../sandbox-apis/_kit/errors.ts';
import type { GuestHost } from '../../sandbox-apis/_kit/guest.ts';
import { type ConnectDeps, createConnectBroker } from '../../sandbox-apis/connect/broker.ts';
import { connectContract } from '../../sandbox-apis/connect/contract.ts';
import { type ConnectApi, createConnect } from '../../sandbox-apis/connect/guest.ts';
import * as sockets from '../../sandbox-apis/connect/guest-socket.ts';
import { type TestCaller, testCaller } from './caller.ts';

const { calls } = connectContract;
export type OpenInput = Static<typeof calls.open.input>;
export type OpenOutput = Static<typeof calls.open.output>;

export interface ConnectRoom extends TestCaller {
  /** One call as the core makes it: schema, gate, handler. */
  call<T>(name: string, input: unknown, caller?: Caller): Promise<T>;
  open(input: Partial<OpenInput> & { port: number }): Promise<OpenOutput>;
  /** The guest half over these handlers, without an isolate between. */
  readonly connect: ConnectApi;
  readonly logged: { level: string; fields: object; message: string }[];
}

/** The connect room with a caller of its own; `deps` are the room's real parameters. */
export function connectRoom(grants: readonly string[], deps: Partial<ConnectDeps> = {}): ConnectRoom {
  const logged: ConnectRoom['logged'] = [];
  const log = (level: string) => (fields: object, message: string) => void logged.push({ level, fields, message });
  const handlers = createConnectBroker({ log: { debug: log('debug'), warn: log('warn') }, ...deps });
  const tested = testCaller({ grants });

  async function call<T>(name: string, input: unknown, caller = tested.caller): Promise<T> {
    const key = name.slice('connect.'.length) as keyof typeof calls;
    const contract: CallContract = calls[key];
    if (!Value.Check(contract.input, input)) throw new CodedError('invalid_input', 'the schema refuses the input');
    const needed = contract.needs?.(input as never, caller.plugin) ?? null;
    const covered = needed === null || grants.some((granted) => connectContract.allows?.(granted, needed));
    if (!covered) throw permissionDenied(needed);
    const output = await (handlers[key] as (caller: Caller, input: unknown) => unknown)(caller, input);
    if (!Value.Check(contract.output, output)) throw new Error('the handler answered what its contract does not allow');
    return output as T;
  }

  const host = {
    call: (name: string, input: unknown) => call(name, input).catch(asInGuest),
    writeStream: (stream: ReadableStream<Uint8Array>) => tested.offer(stream),
    readStream: (id: number) => {
      const reader = tested.take(id).getReader();
      return new ReadableStream(
        {
          pull: async (controller) => {
            const { done, value } = await reader.read().catch(asInGuest);
            if (done) controller.close();
            else controller.enqueue(value);
          },
          cancel: (reason) => reader.cancel(reason),
        },
        { highWaterMark: 0 },
      );
    },
  } as unknown as GuestHost;
  const connect = createConnect(host, {
    sockets: () => sockets,
    streams: () => ({ ReadableStream, WritableStream }),
    encode: (text) => new TextEncoder().encode(text),
  });

  return {
    caller: tested.caller,
    offer: tested.offer,
    take: tested.take,
    abort: tested.abort,
    get untaken() {
      return tested.untaken;
    },
    logged,
    call,
    connect,
    open: (partial) =>
      call('connect.open', {
        hostname: '127.0.0.1',
        secureTransport: 'off',
        allowHalfOpen: false,
        sni: null,
        alpn: [],
        ...partial,
      }),
  };
}

/** Throws what the guest gets of the core's error. */
function asInGuest(error: unknown): never {
  if (!(error instanceof CodedError)) throw error;
  throw fromCore({ code: error.code, message: error.message, extra: error.extra }, {});
}

export interface Peer extends AsyncDisposable {
  readonly port: number;
  /** `network:tcp:127.0.0.1:<port>` */
  readonly grant: string;
  /** Connections so far, gone ones included. */
  readonly sockets: readonly NetSocket[];
  /** The nth connection, once it is there. */
  accepted(n?: number): Promise<NetSocket>;
  /** Everything that was received on connection `n` so far, one char a byte. */
  received(n?: number): string;
}

/** A TCP server that answers as it likes, and ends a connection only when it says so. */
export async function peer(onConnection: (socket: NetSocket) => void = () => undefined): Promise<Peer> {
  const all: NetSocket[] = [];
  const texts: string[] = [];
  const waiting: (() => void)[] = [];
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    const n = all.push(socket) - 1;
    texts[n] = '';
    // Clients of these tests go away in the middle: that is what is tested.
    socket.on('error', () => undefined);
    socket.on('data', (data) => {
      texts[n] += data.toString('latin1');
    });
    onConnection(socket);
    for (const wake of waiting.splice(0)) wake();
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return {
    port: address.port,
    grant: `network:tcp:127.0.0.1:${address.port}`,
    sockets: all,
    async accepted(n = 0) {
      for (;;) {
        const socket = all[n];
        if (socket !== undefined) return socket;
        await new Promise<void>((wake) => waiting.push(wake));
      }
    },
    received: (n = 0) => texts[n] ?? '',
    async [Symbol.asyncDispose]() {
      for (const socket of all) socket.destroy();
      await new Promise((done) => server.close(done));
    },
  };
}
