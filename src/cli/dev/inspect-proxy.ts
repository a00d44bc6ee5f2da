import type { Server } from 'bun';
import { version } from '../../../package.json' with { type: 'json' };
import type { Client } from '../client.ts';
import { Failure } from '../failure.ts';
import { pluginPath } from '../plugins.ts';

/** Origins of debuggers that are pages: DevTools of Chromium. Others (editors, chrome://inspect) send none. */
const DEBUGGERS: ReadonlySet<string> = new Set(['devtools://devtools', 'chrome-devtools://devtools']);
const ADDRESS = '127.0.0.1';
/** Bytes of a message from the debugger; the core takes no longer ones. */
const MAX_MESSAGE_BYTES = 1_048_576;
/** Messages that wait for the core; a debugger sends some twenty at once. */
const MAX_WAITING = 1_000;
/** RFC 6455, 7.4.1, as far as a program may send them. */
const GONE = 1001;

interface Relay {
  core: WebSocket | null;
  readonly waiting: string[];
}

export interface InspectProxy {
  readonly port: number;
  /** What DevTools is opened with. */
  readonly devtoolsUrl: string;
  stop(): Promise<void>;
}

export interface InspectProxyOptions {
  readonly client: Client;
  readonly plugin: string;
  /** 0 picks a free one. */
  readonly port: number;
  /** Told of sessions that begin and end, in words. */
  readonly onChange: (what: string) => void;
}

/**
 * Listens on this machine for a debugger, as Node does under `--inspect`, and passes on to the host what it says, with the
 * admin's token, which debuggers cannot send. Web pages are kept out: they cannot know the path, their Origin is refused,
 * and so is the name that a page may have been rebound to.
 *
 * @throws Failure when the port is taken
 */
export function startInspectProxy({ client, plugin, port, onChange }: InspectProxyOptions): InspectProxy {
  const secret = crypto.randomUUID();
  const core = `${client.target.url.replace(/^http/, 'ws')}${pluginPath(plugin, '/inspector')}`;
  const headers = client.target.token === null ? {} : { authorization: `Bearer ${client.target.token}` };

  function answer(request: Request, server: Server<Relay>): Response | undefined {
    const address = `${ADDRESS}:${server.port}`;
    const hosts = [address, `localhost:${server.port}`];
    if (!hosts.includes(request.headers.get('host') ?? '')) return refuse('This address is not served');
    const origin = request.headers.get('origin');
    if (origin !== null && !DEBUGGERS.has(origin)) return refuse('Web pages are not served');
    const { pathname } = new URL(request.url);
    if (pathname === '/json/version')
      return Response.json({ Browser: `streamspace/${version}`, 'Protocol-Version': '1.3' });
    if (pathname === '/json' || pathname === '/json/list') return Response.json([describe(address)]);
    if (pathname !== `/${secret}`) return new Response('There is nothing here', { status: 404 });
    if (server.upgrade(request, { data: { core: null, waiting: [] } })) return undefined;
    return new Response('It is a WebSocket', { status: 426 });
  }

  function describe(address: string) {
    return {
      id: secret,
      type: 'node',
      title: `${plugin} (StreamSpace)`,
      description: `The plugin ${plugin} at ${client.target.url}`,
      url: `plugin://${plugin}/`,
      devtoolsFrontendUrl: frontend(address),
      webSocketDebuggerUrl: `ws://${address}/${secret}`,
    };
  }

  const frontend = (address: string): string =>
    `devtools://devtools/bundled/js_app.html?experiments=true&v8only=true&ws=${address}/${secret}`;

  let server: Server<Relay>;
  try {
    server = Bun.serve<Relay>({
      hostname: ADDRESS,
      port,
      fetch: answer,
      websocket: {
        maxPayloadLength: MAX_MESSAGE_BYTES,
        perMessageDeflate: false,
        open(debuggerSocket) {
          const relay = debuggerSocket.data;
          relay.core = new WebSocket(core, { headers } as unknown as string[]);
          relay.core.onopen = () => {
            onChange('a debugger is connected');
            for (const message of relay.waiting.splice(0)) relay.core?.send(message);
          };
          relay.core.onmessage = ({ data }) => void debuggerSocket.send(String(data));
          relay.core.onclose = ({ reason }) => {
            onChange(`the debugger is disconnected${reason === '' ? '' : `: ${reason}`}`);
            debuggerSocket.close(GONE, reason);
          };
        },
        message({ data: relay }, message) {
          const text = String(message);
          if (relay.core?.readyState === WebSocket.OPEN) relay.core.send(text);
          else if (relay.waiting.length < MAX_WAITING) relay.waiting.push(text);
        },
        close: ({ data }) => data.core?.close(),
      },
    });
  } catch (cause) {
    const message = cause instanceof Error ? cause.message : String(cause);
    throw new Failure(`The port ${port} cannot be used: ${message}`, { help: 'Name another: --inspect=9230', cause });
  }
  const address = `${ADDRESS}:${server.port}`;
  return { port: server.port ?? port, devtoolsUrl: frontend(address), stop: () => server.stop(true) };
}

function refuse(why: string): Response {
  return new Response(why, { status: 403 });
}
