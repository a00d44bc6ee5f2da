import { connect, type Socket } from 'node:net';
import { connect as connectTls, type SecureContext, type TLSSocket } from 'node:tls';
import { networkFailure } from '../fetch/failure.ts';
import type { Target } from '../fetch/permission.ts';
import type { ConnectLimits } from './limits.ts';

/** Milliseconds of silence after which the system asks whether the peer is still there: NATs forget after minutes. */
const KEEP_ALIVE_MS = 60_000;

/**
 * A connection to the first of the addresses that takes it. The name is not resolved again.
 * @throws CodedError `network_failed`, or the signal's reason
 */
export async function dial(
  target: Target,
  addresses: readonly string[],
  limits: ConnectLimits,
  signal: AbortSignal,
): Promise<Socket> {
  let failure: unknown = new Error('no address');
  for (const host of addresses) {
    signal.throwIfAborted();
    // Each side ends when it wants: `Connection` ends the other one where that is asked for.
    const socket = connect({ host, port: target.port, allowHalfOpen: true, noDelay: true });
    try {
      await ready(socket, 'connect', limits.connectMs, signal);
      socket.setKeepAlive(true, KEEP_ALIVE_MS);
      return socket;
    } catch (error) {
      signal.throwIfAborted();
      failure = error;
    }
  }
  throw networkFailure(target, failure);
}

export interface TlsOptions {
  /** What to ask for, and to find in the certificate: a name or an address. */
  readonly name: Pick<Target, 'host' | 'literal'>;
  readonly alpn: readonly string[];
  readonly secureContext: SecureContext | null;
}

/**
 * TLS on a connection that is there; the certificate has to be of a trusted issuer and of the name.
 * @throws CodedError `network_failed`, or the signal's reason; the connection is closed then
 */
export async function secure(
  socket: Socket,
  target: Target,
  { name, alpn, secureContext }: TlsOptions,
  ms: number,
  signal: AbortSignal,
): Promise<TLSSocket> {
  signal.throwIfAborted();
  const tls = connectTls({
    socket,
    // An address is no name to send (RFC 6066 3); the certificate has to have it all the same.
    host: name.host,
    servername: name.literal ? '' : name.host,
    rejectUnauthorized: true,
    allowHalfOpen: true,
    ...(alpn.length > 0 ? { ALPNProtocols: [...alpn] } : {}),
    ...(secureContext ? { secureContext } : {}),
  });
  try {
    await ready(tls, 'secureConnect', ms, signal);
    return tls;
  } catch (error) {
    socket.destroy();
    throw signal.aborted ? signal.reason : networkFailure(target, error);
  }
}

/** Waits for the event; a socket for which it does not come is destroyed. */
function ready(socket: Socket, event: 'connect' | 'secureConnect', ms: number, signal: AbortSignal): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const done = (): void => {
    clearTimeout(timer);
    signal.removeEventListener('abort', onAbort);
  };
  const fail = (error: unknown): void => {
    done();
    reject(error);
    socket.destroy();
  };
  const onAbort = (): void => fail(signal.reason);
  const timer = setTimeout(() => {
    const handshake = event === 'secureConnect';
    const error = new Error(handshake ? 'no end of the TLS handshake' : 'no answer');
    fail(Object.assign(error, { code: 'ETIMEDOUT', ...(handshake ? {} : { syscall: 'connect' }) }));
  }, ms);
  signal.addEventListener('abort', onAbort, { once: true });
  // Stays on: a socket that fails when nobody listens would end the process.
  socket.on('error', fail);
  socket.once('close', () => fail(new Error('the connection was closed')));
  socket.once(event, () => {
    done();
    resolve();
  });
  return promise;
}
