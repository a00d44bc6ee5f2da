import { SocketError } from './socket-error.ts';

/** What a socket is to be, checked. */
export interface SocketPlan {
  readonly remoteAddress: string;
  readonly secureTransport: 'off' | 'on' | 'starttls';
  readonly allowHalfOpen: boolean;
  readonly sni: string | null;
  readonly alpn: readonly string[];
}

const refuse = (message: string): never => {
  throw new SocketError(message, { code: 'invalid_input' });
};

/** @throws SocketError for what is no address */
export function readAddress(address: unknown): { hostname: string; port: number } {
  if (typeof address === 'string') {
    const match = /^(\[[^\]]+\]|[^:]+):(\d{1,5})$/.exec(address);
    if (match === null) return refuse('the address has to be "host:port"');
    return { hostname: match[1] as string, port: portOf(match[2]) };
  }
  if (typeof address !== 'object' || address === null) return refuse('the address has to be a string or an object');
  const { hostname, port } = address as { hostname?: unknown; port?: unknown };
  if (typeof hostname !== 'string' || hostname === '') return refuse('the address has no hostname');
  return { hostname, port: portOf(port) };
}

function portOf(value: unknown): number {
  const port = typeof value === 'number' || typeof value === 'string' ? Number(value) : Number.NaN;
  const valid = Number.isInteger(port) && port >= 1 && port <= 65_535;
  return valid ? port : refuse('the port has to be 1 to 65535');
}

/** @throws SocketError for an option that is not valid, or has no use without TLS */
export function readOptions(options: unknown, remoteAddress: string): SocketPlan {
  const given = (options ?? {}) as Readonly<Record<string, unknown>>;
  const { secureTransport = 'off', allowHalfOpen = false, alpn = [] } = given;
  const sni = given.sni ?? null;
  if (secureTransport !== 'off' && secureTransport !== 'on' && secureTransport !== 'starttls') {
    return refuse("secureTransport has to be 'off', 'on' or 'starttls'");
  }
  if (sni !== null && (typeof sni !== 'string' || sni === '')) return refuse('sni has to be a host name');
  if (!Array.isArray(alpn)) return refuse('alpn has to be a list of protocols');
  const protocols: string[] = [];
  for (let at = 0; at < alpn.length; at += 1) {
    const protocol: unknown = alpn[at];
    if (typeof protocol !== 'string' || protocol === '') return refuse('alpn has to be a list of protocols');
    protocols[at] = protocol;
  }
  if (secureTransport === 'off' && (sni !== null || protocols.length > 0)) {
    return refuse("sni and alpn need secureTransport: 'on' or 'starttls'");
  }
  return { remoteAddress, secureTransport, allowHalfOpen: Boolean(allowHalfOpen), sni, alpn: protocols };
}
