import { isUtf8 } from 'node:buffer';
import { lookup as dnsLookup } from 'node:dns/promises';
import type { IncomingMessage } from 'node:http';
import type { Static } from '@sinclair/typebox';
import type { Caller, Handlers } from '../_kit/contract.ts';
import { CodedError, permissionDenied } from '../_kit/errors.ts';
import { type Agents, createAgents } from './agents.ts';
import { type fetchContract, INLINE_RESPONSE } from './contract.ts';
import { send } from './egress.ts';
import { networkFailure } from './failure.ts';
import { type Flight, Flights } from './flights.ts';
import { requestHeaders, responseHeaders, withTraceparent } from './headers.ts';
import { DEFAULT_LIMITS, type FetchLimits } from './limits.ts';
import { allows, parseTarget, permissionFor } from './permission.ts';
import { type Hop, isRedirect, redirected } from './redirect.ts';
import { discard, type RequestBody } from './request-body.ts';
import { type FetchLog, type Lookup, resolve } from './resolve.ts';
import { decoderFor, readBody, streamOf } from './response-body.ts';
import type { FetchTrace } from './trace.ts';

/** What the room needs of the core. */
export interface FetchDeps {
  readonly log: FetchLog;
  /** Resolves a name to all of its addresses; the system's resolver when absent. */
  readonly lookup?: Lookup;
  /** Told of body bytes as they pass, and of a request that begins (0, 0); what it throws ends the request. */
  readonly meter?: (plugin: string, bytesOut: number, bytesIn: number) => void;
  /** PEM certificates to trust besides the default ones. */
  readonly ca?: readonly string[];
  readonly limits?: Partial<FetchLimits>;
  /** Asks the gate about the host of a redirect; the room's own rule when absent. @throws CodedError `permission_denied` */
  readonly permit?: (caller: Caller, permission: string) => void;
  /** A grant was needed besides the host's own, for a private address that a public name leads to. */
  readonly used?: (caller: Caller, grant: string) => void;
  /** Begins the span of each request that is sent; without it nothing is traced. */
  readonly trace?: FetchTrace;
}

type Call = (typeof fetchContract)['calls']['request'];
type Input = Static<Call['input']>;
type Output = Static<Call['output']>;

interface Room extends FetchDeps {
  readonly lookup: Lookup;
  readonly limits: FetchLimits;
  readonly permit: (caller: Caller, permission: string) => void;
  readonly agents: Agents;
}

/** Handlers of the `fetch` room: the only way from a plugin to the network by http. */
export function createFetchBroker(deps: FetchDeps): Handlers<typeof fetchContract> {
  const room: Room = {
    ...deps,
    lookup: deps.lookup ?? ((host) => dnsLookup(host, { all: true })),
    limits: { ...DEFAULT_LIMITS, ...deps.limits },
    permit: deps.permit ?? demandGrant,
    agents: createAgents(deps.ca ?? []),
  };
  const flights = new Flights(room.limits);
  return {
    request: async (caller, input) => {
      const body = bodyOf(caller, input);
      let flight: Flight | null = null;
      try {
        flight = flights.begin(caller);
        room.meter?.(caller.plugin, 0, 0);
        return await follow(room, caller, flight, firstHop(input, body), input.redirect);
      } catch (error) {
        flight?.end(error);
        discard(body);
        throw error;
      }
    },
  };
}

function demandGrant({ grants }: Caller, needed: string): void {
  if (!grants.some((granted) => allows(granted, needed))) throw permissionDenied(needed);
}

function bodyOf(caller: Caller, { body }: Input): RequestBody | null {
  if (body === null) return null;
  if ('text' in body) return { kind: 'bytes', bytes: Buffer.from(body.text, 'utf8') };
  if ('latin1' in body) return { kind: 'bytes', bytes: Buffer.from(body.latin1, 'latin1') };
  return { kind: 'stream', stream: caller.receiveStream(body.stream), length: body.length ?? null };
}

/** Methods that the Fetch standard forbids: they would open a tunnel or echo headers. */
const FORBIDDEN_METHODS: ReadonlySet<string> = new Set(['CONNECT', 'TRACE', 'TRACK']);
/** The Fetch standard's normalization: these, and no others, are written in upper case. */
const NORMALIZED: ReadonlySet<string> = new Set(['DELETE', 'GET', 'HEAD', 'OPTIONS', 'POST', 'PUT']);

function firstHop(input: Input, body: RequestBody | null): Hop {
  const upper = input.method.toUpperCase();
  if (FORBIDDEN_METHODS.has(upper)) throw new CodedError('invalid_input', `method: ${upper} is not allowed`);
  const method = NORMALIZED.has(upper) ? upper : input.method;
  if (body && (method === 'GET' || method === 'HEAD')) {
    throw new CodedError('invalid_input', `body: a ${method} request has none`);
  }
  return { method, target: parseTarget(input.url), headers: requestHeaders(input.headers), body };
}

async function follow(
  room: Room,
  caller: Caller,
  flight: Flight,
  first: Hop,
  redirect: Input['redirect'],
): Promise<Output> {
  let hop = first;
  for (let hops = 0; ; hops += 1) {
    const message = await exchange(room, caller, flight, hop);
    const status = message.statusCode ?? 0;
    const location = isRedirect(status) ? message.headers.location : undefined;
    if (location === undefined || redirect === 'manual')
      return await answer(room, caller, flight, hop, message, hops > 0);
    message.destroy();
    if (redirect === 'error' || hops >= room.limits.redirects) {
      const why = redirect === 'error' ? 'The answer is a redirect' : `More than ${room.limits.redirects} redirects`;
      throw new CodedError('network_failed', why, { reason: 'redirect' });
    }
    const next = redirected(hop, status, location);
    // A redirect is a request to another host: the gate saw only the first one.
    const needed = permissionFor(next.target.host, next.target.port);
    room.permit(caller, needed);
    if (next.body === null) discard(hop.body);
    hop = next;
  }
}

async function exchange(room: Room, caller: Caller, flight: Flight, hop: Hop): Promise<IncomingMessage> {
  const trace = room.trace?.(caller.plugin, hop.method, hop.target.host, hop.target.port) ?? null;
  if (trace === null) return sendHop(room, caller, flight, hop);
  try {
    const message = await sendHop(room, caller, flight, withTraceparent(hop, trace.traceparent));
    trace.end(message.statusCode ?? null, null);
    return message;
  } catch (error) {
    trace.end(null, error);
    throw error;
  }
}

async function sendHop(room: Room, caller: Caller, flight: Flight, hop: Hop): Promise<IncomingMessage> {
  const started = performance.now();
  const { signal } = flight;
  const addresses = await resolve(room, caller, hop.target, signal);
  const message = await send(hop, addresses, {
    agents: room.agents,
    limits: room.limits,
    plugin: caller.plugin,
    userAgent: `StreamSpace (${caller.plugin}/${caller.version})`,
    signal,
    onSent: (bytes) => room.meter?.(caller.plugin, bytes, 0),
  });
  const ms = Math.round(performance.now() - started);
  const { host, port } = hop.target;
  room.log.debug({ plugin: caller.plugin, method: hop.method, host, port, status: message.statusCode, ms }, 'fetch');
  return message;
}

async function answer(
  room: Room,
  caller: Caller,
  flight: Flight,
  hop: Hop,
  message: IncomingMessage,
  wasRedirected: boolean,
): Promise<Output> {
  const { limits } = room;
  const status = message.statusCode ?? 0;
  if (status < 200 || status > 599) throw networkFailure(hop.target, new Error(`status ${status} is not valid`));
  const decoder = decoderFor(message.headers['content-encoding']);
  const url = new URL(hop.target.url);
  url.hash = '';
  const head = {
    status,
    statusText: (message.statusMessage ?? '').replace(/[^\t\x20-\x7e\x80-\xff]/g, ''),
    url: url.href,
    redirected: wasRedirected,
    headers: responseHeaders(message.rawHeaders, decoder !== null, limits.headerCount),
  };
  if (hop.method === 'HEAD' || status === 204 || status === 205 || status === 304) {
    // Only a 205 can have a body on the wire, and should not: that one is not waited for.
    if (status === 205) message.destroy();
    else message.resume();
    flight.end();
    return { ...head, body: null };
  }
  const reader = readBody(message, decoder, {
    maxBytes: limits.responseBytes,
    idleMs: limits.idleMs,
    signal: flight.signal,
    onReceived: (bytes) => room.meter?.(caller.plugin, 0, bytes),
    onEnd: () => flight.end(),
    failure: (error) => networkFailure(hop.target, error),
  });
  const chunks: Uint8Array[] = [];
  if (Number(message.headers['content-length'] ?? Number.POSITIVE_INFINITY) <= INLINE_RESPONSE) {
    let size = 0;
    for (let chunk = await reader.next(); chunk !== null; chunk = await reader.next()) {
      chunks.push(chunk);
      size += chunk.byteLength;
      // A small body may decode to a large one: that is streamed from here.
      if (size > INLINE_RESPONSE) break;
    }
    if (size <= INLINE_RESPONSE) return { ...head, body: inline(Buffer.concat(chunks)) };
  }
  flight.landed();
  return { ...head, body: { stream: caller.sendStream(streamOf(reader, chunks, flight.signal)) } };
}

function inline(bytes: Buffer): Output['body'] {
  return isUtf8(bytes) ? { text: bytes.toString('utf8') } : { latin1: bytes.toString('latin1') };
}
