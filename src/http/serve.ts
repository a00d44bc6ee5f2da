import type { AnyElysia } from 'elysia';
import type { CodedError } from '../../sandbox-apis/_kit/errors.ts';
import type { Config } from '../config.ts';
import { withRequestId } from '../telemetry/request-id.ts';
import type { FileLinks } from './files.ts';
import type { Gateway } from './gateway.ts';
import type { InspectorSocket } from './inspector-socket.ts';
import { problemResponse } from './problem.ts';
import { shapeProblem } from './request-shape.ts';
import { SOCKETS, type Socket, type SocketServer } from './sockets.ts';

/** Bytes of a request body; routes have their own, lower limits. */
const MAX_BODY_BYTES = 1024 * 1024 * 1024;
/** Milliseconds that requests under way get when the core stops. */
const DRAIN_MS = 2_000;
/** Seconds without a byte after which a connection is closed; event streams send a comment more often. */
const IDLE_SECONDS = 120;

/** What follows on the connection may be meant for somebody else: it is closed. */
function refuse(problem: CodedError, { url }: Request): Response {
  const response = problemResponse(problem, URL.parse(url)?.pathname ?? '');
  response.headers.set('connection', 'close');
  return response;
}

/** Answers a request in a span of its own (src/telemetry/http.ts). */
export type TraceRequest = (request: Request, answer: () => Response | Promise<Response>) => Promise<Response>;

/**
 * Listens, and hands each request to the plugin that it is for, or to the core's app.
 *
 * @param traced null when tracing is off
 * @throws Error when the address is taken
 */
export function serve(
  app: AnyElysia,
  gateway: Gateway,
  links: FileLinks,
  inspector: InspectorSocket,
  { host, port }: Pick<Config, 'host' | 'port'>,
  traced: TraceRequest | null,
) {
  const fetch = app.fetch;
  const answer = (request: Request, bunServer: SocketServer): Response | Promise<Response> => {
    const found = gateway.handle(request, bunServer) ?? links.handle(request);
    if (found !== null) return found;
    return traced === null ? withRequestId(request, () => fetch(request)) : fetch(request);
  };
  const server = Bun.serve<Socket>({
    hostname: host,
    port,
    maxRequestBodySize: MAX_BODY_BYTES,
    idleTimeout: IDLE_SECONDS,
    fetch(request, bunServer) {
      const problem = shapeProblem(request);
      if (problem !== null) return refuse(problem, request);
      const inspected = inspector.handle(request, bunServer);
      if (inspected !== null) return inspected;
      return traced === null ? answer(request, bunServer) : traced(request, () => answer(request, bunServer));
    },
    websocket: SOCKETS,
  });
  // Where Elysia's handlers find the peer's address.
  app.server = server as typeof app.server;
  const name = host.includes(':') ? `[${host}]` : host;
  return {
    url: `http://${name}:${server.port}`,
    /** Takes no more connections; requests under way may end, those that do not (event streams) are cut. */
    async stop(): Promise<void> {
      const timer = setTimeout(() => void server.stop(true), DRAIN_MS);
      await server.stop();
      clearTimeout(timer);
    },
  };
}
