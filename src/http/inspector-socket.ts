import type { ServerWebSocket } from 'bun';
import { CodedError } from '../../sandbox-apis/_kit/errors.ts';
import { checkOrigin } from '../auth/csrf.ts';
import { admit } from '../auth/guard.ts';
import { demandAdmin } from '../auth/principal.ts';
import type { Auth } from '../auth/service.ts';
import type { Log } from '../log.ts';
import type { Inspections, InspectorSession } from '../plugins/inspections.ts';
import type { Lifecycle } from '../plugins/lifecycle.ts';
import { actorOf } from './plugins.ts';
import { problemResponse } from './problem.ts';
import type { Socket, SocketServer } from './sockets.ts';

export interface InspectorSocketDeps {
  readonly auth: Auth;
  readonly log: Log;
  readonly lifecycle: Pick<Lifecycle, 'find'>;
  readonly inspections: Inspections;
}

const PATH = /^\/api\/plugins\/([^/]{1,64})\/inspector$/;
/** Milliseconds between two looks whether the admin still is one. */
const RECHECK_MS = 5_000;
/** RFC 6455, 7.4.1: went away; not allowed (any more); something failed here; will come back. */
const CLOSED = { policy: 1008, failed: 1011, ended: 1012 } as const;

export interface InspectorSocket {
  /** The answer to a request for a session; null when it asks for something else. Undefined: it is a WebSocket now. */
  handle(request: Request, server: SocketServer): Promise<Response | undefined> | null;
}

/**
 * Answers `GET /api/plugins/:id/inspector` as a WebSocket that speaks the Chrome DevTools Protocol with one plugin. For
 * admins; no page of another origin opens it, whatever credentials the browser sends along.
 */
export function createInspectorSocket({ auth, log, lifecycle, inspections }: InspectorSocketDeps): InspectorSocket {
  return {
    handle(request, server) {
      // It is asked about every request: what is cheapest comes first.
      if (!request.url.includes('/inspector')) return null;
      if (request.headers.get('upgrade')?.toLowerCase() !== 'websocket') return null;
      const { pathname } = new URL(request.url);
      const [, id] = PATH.exec(pathname) ?? [];
      if (id === undefined || request.method !== 'GET') return null;
      return open(request, server, decodeURIComponent(id)).catch((error: unknown) => refusal(error, pathname));
    },
  };

  async function open(request: Request, server: SocketServer, id: string): Promise<Response | undefined> {
    checkOrigin(request, auth.publicOrigin);
    const principal = await admit(auth, request, 'admin');
    const plugin = lifecycle.find(id);
    const relay = new Relay();
    const session = await inspections.open(plugin, actorOf(principal), 'inspector', {
      onMessage: (message) => relay.tell(message),
      onEnd: (reason) => relay.end(CLOSED.ended, reason),
    });
    const recheck = setInterval(() => {
      Promise.resolve(auth.resolvePrincipal(request))
        .then((now) => (now === null ? Promise.reject(new CodedError('unauthenticated')) : demandAdmin(now)))
        .catch((error: unknown) => relay.end(CLOSED.policy, error instanceof CodedError ? error.message : 'refused'));
    }, RECHECK_MS);
    const close = (): void => {
      clearInterval(recheck);
      session.close();
    };
    relay.begin(session, close);
    if (server.upgrade(request, { data: relay })) return undefined;
    close();
    throw new CodedError('bad_request', 'The connection cannot become a WebSocket');
  }

  function refusal(error: unknown, path: string): Response {
    if (error instanceof CodedError) {
      return problemResponse(error, path);
    }
    const errorId = crypto.randomUUID();
    log.error({ err: error, errorId, path }, 'an inspector session could not be opened');
    return problemResponse(new CodedError('internal', undefined, { errorId }), path);
  }
}

/** One WebSocket and one session, tied to each other: when one ends, so does the other. */
class Relay implements Socket {
  #session: InspectorSession | null = null;
  #close: () => void = () => undefined;
  #socket: ServerWebSocket<Socket> | null = null;
  #ended: readonly [code: number, reason: string] | null = null;

  begin(session: InspectorSession, close: () => void): void {
    this.#session = session;
    this.#close = close;
  }

  tell(message: string): void {
    this.#socket?.send(message);
  }

  end(code: number, reason: string): void {
    this.#ended ??= [code, reason];
    this.#socket?.close(...this.#ended);
    this.#close();
  }

  onOpen(socket: ServerWebSocket<Socket>): void {
    this.#socket = socket;
    if (this.#ended !== null) socket.close(...this.#ended);
  }

  onText(text: string): void {
    try {
      this.#session?.send(text);
    } catch (error) {
      if (!(error instanceof CodedError)) throw error;
      this.end(CLOSED.policy, error.message);
    }
  }

  onClose(): void {
    this.#close();
  }
}
