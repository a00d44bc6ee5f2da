import { lookup as dnsLookup } from 'node:dns/promises';
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { Static } from '@sinclair/typebox';
import type { Caller, Handlers } from '../_kit/contract.ts';
import { CodedError } from '../_kit/errors.ts';
import { trustStore } from '../fetch/agents.ts';
import { type FetchLog, type Lookup, resolve } from '../fetch/resolve.ts';
import { Connection } from './connection.ts';
import type { connectContract } from './contract.ts';
import { dial, secure, type TlsOptions } from './dial.ts';
import { type ConnectLimits, DEFAULT_LIMITS } from './limits.ts';
import { CONNECT_RULES, parseTarget } from './permission.ts';
import { type OpenSocket, type Slot, Sockets } from './sockets.ts';

/** What the room needs of the core. */
export interface ConnectDeps {
  readonly log: FetchLog;
  /** Resolves a name to all of its addresses; the system's resolver when absent. */
  readonly lookup?: Lookup;
  /** Told of bytes as they pass, and of a connection that begins (0, 0); what it throws ends the connection. */
  readonly meter?: (plugin: string, bytesOut: number, bytesIn: number) => void;
  /** PEM certificates to trust besides the default ones. */
  readonly ca?: readonly string[];
  readonly limits?: Partial<ConnectLimits>;
  /** A grant was needed besides the host's own, for a private address that a public name leads to. */
  readonly used?: (caller: Caller, grant: string) => void;
}

type Input = Static<(typeof connectContract)['calls']['open']['input']>;
type Output = Static<(typeof connectContract)['calls']['open']['output']>;

/** Handlers of the `connect` room: the only way from a plugin to the network by anything but http. */
export function createConnectBroker(deps: ConnectDeps): Handlers<typeof connectContract> {
  const lookup: Lookup = deps.lookup ?? ((host) => dnsLookup(host, { all: true }));
  const limits: ConnectLimits = { ...DEFAULT_LIMITS, ...deps.limits };
  const secureContext = trustStore(deps.ca ?? []);
  const sockets = new Sockets(limits.open);

  async function open(caller: Caller, input: Input, slot: Slot): Promise<Output> {
    const { plugin, signal } = caller;
    deps.meter?.(plugin, 0, 0);
    const target = parseTarget(input.hostname, input.port);
    const named = (sni: string | null): TlsOptions => ({
      name: sni === null ? target : parseTarget(sni, target.port),
      alpn: input.alpn,
      secureContext,
    });
    const options = named(input.sni);
    const started = performance.now();
    const addresses = await resolve({ ...deps, lookup, rules: CONNECT_RULES }, caller, target, signal);
    let socket: Socket = await dial(target, addresses, limits, signal);
    let alpn: string | null = null;
    if (input.secureTransport === 'on') {
      const tls = await secure(socket, target, options, limits.handshakeMs, signal);
      alpn = agreed(tls);
      socket = tls;
    }
    const { host, port } = target;
    deps.log.debug({ plugin, host, port, ms: Math.round(performance.now() - started) }, 'connect');
    if (signal.aborted) {
      socket.destroy();
      throw signal.reason;
    }
    const connection = new Connection(socket, {
      target,
      allowHalfOpen: input.allowHalfOpen,
      limits,
      onBytes: (sent, received) => deps.meter?.(plugin, sent, received),
      onEnd: slot.free,
    });
    const startTls: OpenSocket['startTls'] = async (sni, during) => {
      const upgraded = sni === null ? options : named(sni);
      return agreed(await connection.upgrade((plain) => secure(plain, target, upgraded, limits.handshakeMs, during)));
    };
    sockets.opened(slot.id, { connection, startTls: input.secureTransport === 'starttls' ? startTls : null });
    return { socket: slot.id, stream: sent(caller, connection), alpn };
  }

  return {
    open: async (caller, input) => {
      const slot = sockets.begin(caller);
      try {
        return await open(caller, input, slot);
      } catch (error) {
        slot.free();
        throw error;
      }
    },
    attach: (caller, { socket, stream }) => {
      const writer = caller.receiveStream(stream);
      try {
        sockets.of(caller, socket).connection.attach(writer);
        return {};
      } catch (error) {
        // The writer is the guest; that its own `cancel` failed is its business.
        writer.cancel().catch(() => undefined);
        throw error;
      }
    },
    startTls: async (caller, { socket, sni }) => {
      const open = sockets.of(caller, socket);
      const { startTls } = open;
      if (startTls === null)
        throw new CodedError('invalid_input', 'socket: it was not opened with starttls, or has TLS');
      open.startTls = null;
      try {
        const alpn = await startTls(sni, caller.signal);
        return { stream: sent(caller, open.connection), alpn };
      } catch (error) {
        open.connection.end(codedOr(error));
        throw error;
      }
    },
  };
}

/** Lets the plugin read from the connection, which is closed when it cannot. */
function sent(caller: Caller, connection: Connection): number {
  try {
    return caller.sendStream(connection.readable());
  } catch (error) {
    connection.end(codedOr(error));
    throw error;
  }
}

function codedOr(error: unknown): CodedError {
  return error instanceof CodedError ? error : new CodedError('aborted');
}

/** What the server chose of the protocols that were offered. */
function agreed({ alpnProtocol }: TLSSocket): string | null {
  return typeof alpnProtocol === 'string' && alpnProtocol !== '' ? alpnProtocol.slice(0, 255) : null;
}
