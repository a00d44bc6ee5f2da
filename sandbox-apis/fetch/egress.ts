import { type ClientRequest, request as httpRequest, type IncomingMessage, type RequestOptions } from 'node:http';
import { request as httpsRequest } from 'node:https';
import type { Socket } from 'node:net';
import { pipeline } from 'node:stream';
import { CodedError } from '../_kit/errors.ts';
import type { Agents, Owned } from './agents.ts';
import { networkFailure } from './failure.ts';
import { type HeaderPair, headerLines } from './headers.ts';
import type { FetchLimits } from './limits.ts';
import type { Hop } from './redirect.ts';
import { chunksOf, lengthOf, openBody } from './request-body.ts';

/** What one request needs besides the hop itself. */
export interface Exchange {
  readonly agents: Agents;
  readonly limits: FetchLimits;
  readonly plugin: string;
  readonly userAgent: string;
  /** Ends the request; its reason is the error that is answered. */
  readonly signal: AbortSignal;
  readonly onSent: (bytes: number) => void;
}

const IDEMPOTENT: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE']);
const BODILESS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'DELETE']);

/**
 * Sends one request to the first of the addresses that takes the connection, and answers with the response's head; its
 * body is still to be read. The name is used for Host, SNI and the certificate only: it is never resolved again.
 * @throws CodedError `network_failed`, or what the signal or the body's stream gave as reason
 */
export async function send(hop: Hop, addresses: readonly string[], exchange: Exchange): Promise<IncomingMessage> {
  let failure: unknown = new Error('no address');
  for (const address of addresses) {
    try {
      return await attempt(hop, address, exchange, true);
    } catch (error) {
      if (!(error instanceof AttemptError)) throw error;
      failure = error.cause;
      if (error.kind === 'stale') return await lastAttempt(hop, address, exchange);
      if (error.kind === 'final') break;
    }
  }
  throw networkFailure(hop.target, failure);
}

/** A kept connection turned out to be closed: once more on a new one. */
async function lastAttempt(hop: Hop, address: string, exchange: Exchange): Promise<IncomingMessage> {
  try {
    return await attempt(hop, address, exchange, false);
  } catch (error) {
    throw error instanceof AttemptError ? networkFailure(hop.target, error.cause) : error;
  }
}

class AttemptError extends Error {
  /** `connect`: nothing was sent, try the next address; `stale`: the kept connection was dead; `final`: give up. */
  readonly kind: 'connect' | 'stale' | 'final';
  constructor(kind: 'connect' | 'stale' | 'final', cause: unknown) {
    super(kind, { cause });
    this.kind = kind;
  }
}

function attempt(hop: Hop, address: string, exchange: Exchange, reuse: boolean): Promise<IncomingMessage> {
  const { signal, limits } = exchange;
  signal.throwIfAborted();
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  const request = start(hop, address, exchange, reuse);
  let connected = false;
  // Not left to the request's events: Bun tells of none when it is destroyed in the TLS handshake.
  const fail = (error: unknown): void => {
    clearTimeout(slow);
    signal.removeEventListener('abort', abort);
    reject(error);
    request.destroy();
  };
  const abort = (): void => fail(signal.reason);
  signal.addEventListener('abort', abort, { once: true });
  const slow = setTimeout(() => {
    fail(new AttemptError('final', new Error('no response headers in time')));
  }, limits.headersMs);

  request.once('socket', (socket) => {
    whenConnected(socket, hop, limits.connectMs, () => {
      connected = true;
      upload(hop, exchange, request, slow);
    });
  });
  request.once('response', (message) => {
    clearTimeout(slow);
    // Whoever reads the body gets its error; one that comes while nobody reads would otherwise end the process.
    message.on('error', () => undefined);
    // A guest that still writes when the answer has ended is stopped, and the connection is not used again.
    message.once('close', () => {
      signal.removeEventListener('abort', abort);
      if (!request.writableFinished) request.destroy();
    });
    resolve(message);
  });
  request.once('upgrade', (_message, socket) => {
    socket.destroy();
    fail(new AttemptError('final', new Error('the server wants to change the protocol')));
  });
  // Stays on: after the response, errors come through the message as well.
  request.on('error', (error: NodeJS.ErrnoException) => {
    fail(error instanceof CodedError ? error : new AttemptError(kindOf(error, hop, request, connected), error));
  });
  return promise;
}

function kindOf(
  error: NodeJS.ErrnoException,
  hop: Hop,
  request: ClientRequest,
  connected: boolean,
): AttemptError['kind'] {
  if (error.syscall === 'connect' && !connected) return 'connect';
  const died = error.code === 'ECONNRESET' || error.code === 'EPIPE';
  const repeatable = IDEMPOTENT.has(hop.method) && hop.body?.kind !== 'stream';
  return died && request.reusedSocket && repeatable ? 'stale' : 'final';
}

function start(hop: Hop, address: string, exchange: Exchange, reuse: boolean): ClientRequest {
  const { url, port, literal, host } = hop.target;
  const { agents } = exchange;
  const secure = url.protocol === 'https:';
  const options: RequestOptions & Owned = {
    host: address,
    port,
    method: hop.method,
    path: url.pathname + url.search,
    headers: headerLines(url.host, hop.headers, exchange.userAgent, framingOf(hop)),
    setHost: false,
    agent: reuse ? (secure ? agents.https : agents.http) : false,
    maxHeaderSize: exchange.limits.headerBytes,
    plugin: exchange.plugin,
  };
  if (!secure) return httpRequest(options);
  return httpsRequest({
    ...options,
    servername: literal ? '' : host,
    rejectUnauthorized: true,
    ...(agents.secureContext ? { secureContext: agents.secureContext } : {}),
  });
}

/** How the end of the body is told (RFC 9112 6.3). */
function framingOf({ method, body }: Hop): HeaderPair | null {
  if (body === null) return BODILESS.has(method) ? null : ['Content-Length', '0'];
  const length = lengthOf(body);
  return length === null ? ['Transfer-Encoding', 'chunked'] : ['Content-Length', String(length)];
}

/** Calls back when the connection, its certificate included, is good; closes one that takes too long. */
function whenConnected(socket: Socket, hop: Hop, connectMs: number, ready: () => void): void {
  if (!socket.connecting) {
    ready();
    return;
  }
  const timeout = Object.assign(new Error('connection timed out'), { code: 'ETIMEDOUT', syscall: 'connect' });
  const timer = setTimeout(() => socket.destroy(timeout), connectMs);
  socket.once('close', () => clearTimeout(timer));
  socket.once(hop.target.url.protocol === 'https:' ? 'secureConnect' : 'connect', () => {
    clearTimeout(timer);
    ready();
  });
}

/** Sends the body at the server's pace; a guest that still writes when the connection goes is told to stop. */
function upload(hop: Hop, exchange: Exchange, request: ClientRequest, slow: NodeJS.Timeout): void {
  if (hop.body === null) {
    request.end();
    return;
  }
  const source = openBody(hop.body);
  request.once('close', source.cancel);
  const chunks = chunksOf(source, lengthOf(hop.body), exchange.limits.requestBytes, (bytes) => {
    slow.refresh();
    exchange.onSent(bytes);
  });
  pipeline(destroying(chunks, request), request, () => slow.refresh());
}

/** Gives the request the chunks' error, which its listener answers; `pipeline` would destroy it without one. */
async function* destroying(chunks: AsyncGenerator<Uint8Array>, request: ClientRequest): AsyncGenerator<Uint8Array> {
  try {
    yield* chunks;
  } catch (error) {
    request.destroy(error instanceof Error ? error : new Error(String(error)));
    throw error;
  }
}
