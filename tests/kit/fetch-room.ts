import { createServer, type Server, type Socket } from 'node:net';
import type { Static } from '@sinclair/typebox';
import { Value } from '@sinclair/typebox/value';
import { CodedError, permissionDenied } from '../../sandbox-apis/_kit/errors.ts';
import { createFetchBroker, type FetchDeps } from '../../sandbox-apis/fetch/broker.ts';
import { fetchContract } from '../../sandbox-apis/fetch/contract.ts';
import { type TestCaller, testCaller } from './caller.ts';

const contract = fetchContract.calls.request;
export type FetchInput = Static<typeof contract.input>;
export type FetchOutput = Static<typeof contract.output>;

export interface FetchRoom extends TestCaller {
  /** One call as the core makes it: schema, gate, handler. */
  request(input: Partial<FetchInput> & { url: string }): Promise<FetchOutput>;
  /** The bytes of an answer's body, however it came. */
  bytes(output: FetchOutput): Promise<Uint8Array>;
  text(output: FetchOutput): Promise<string>;
  readonly logged: { level: string; fields: object; message: string }[];
}

/** The fetch room with a caller of its own; `deps` are the room's real parameters. */
export function fetchRoom(grants: readonly string[], deps: Partial<FetchDeps> = {}): FetchRoom {
  const logged: FetchRoom['logged'] = [];
  const log = (level: string) => (fields: object, message: string) => void logged.push({ level, fields, message });
  const handlers = createFetchBroker({ log: { debug: log('debug'), warn: log('warn') }, ...deps });
  const tested = testCaller({ grants });
  const bytes = async (output: FetchOutput): Promise<Uint8Array> => {
    if (output.body === null) return new Uint8Array();
    if ('text' in output.body) return Buffer.from(output.body.text);
    if ('latin1' in output.body) return Buffer.from(output.body.latin1, 'latin1');
    return new Uint8Array(await new Response(tested.take(output.body.stream)).arrayBuffer());
  };
  return {
    caller: tested.caller,
    offer: tested.offer,
    take: tested.take,
    abort: tested.abort,
    get untaken() {
      return tested.untaken;
    },
    logged,
    bytes,
    text: async (output) => new TextDecoder().decode(await bytes(output)),
    request: async (partial) => {
      const input = { method: 'GET', headers: [], redirect: 'follow', body: null, ...partial };
      if (!Value.Check(contract.input, input)) throw new CodedError('invalid_input', 'the schema refuses the input');
      const needed = contract.needs?.(input, tested.caller.plugin) ?? null;
      const covered = grants.some((granted) => needed !== null && fetchContract.allows?.(granted, needed));
      if (needed === null || !covered) throw permissionDenied(needed ?? 'network');
      const output = await handlers.request(tested.caller, input);
      if (!Value.Check(contract.output, output))
        throw new Error('the handler answered what its contract does not allow');
      return output;
    },
  };
}

/** The code of the error that a promise is rejected with; fails when it is fulfilled. */
export async function codeOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof CodedError) return error.code;
    throw error;
  }
  throw new Error('It was not refused');
}

export interface RawServer extends AsyncDisposable {
  readonly port: number;
  readonly url: string;
  /** Connections accepted so far. */
  readonly connections: number;
  /** Everything that was received on connection `n` so far, one char a byte. */
  received(n?: number): string;
}

/** A TCP server that answers as it likes; `onData` gets each chunk. Closed with all its connections at the end. */
export async function rawServer(
  onData: (socket: Socket, data: string, connection: number) => void,
  host = '127.0.0.1',
): Promise<RawServer> {
  const sockets: Socket[] = [];
  const received: string[] = [];
  const server: Server = createServer((socket) => {
    const n = sockets.push(socket) - 1;
    received[n] = '';
    // Clients of these tests go away in the middle: that is what is tested.
    socket.on('error', () => undefined);
    socket.on('data', (data) => {
      received[n] += data.toString('latin1');
      onData(socket, data.toString('latin1'), n);
    });
  });
  await new Promise<void>((done) => server.listen(0, host, done));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return {
    port: address.port,
    url: `http://${host.includes(':') ? `[${host}]` : host}:${address.port}`,
    get connections() {
      return sockets.length;
    },
    received: (n = 0) => received[n] ?? '',
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise((done) => server.close(done));
    },
  };
}

/** A complete HTTP/1.1 answer. */
export function httpAnswer(status: string, headers: readonly string[] = [], body = ''): string {
  return [`HTTP/1.1 ${status}`, ...headers, `Content-Length: ${Buffer.byteLength(body)}`, '', body].join('\r\n');
}
