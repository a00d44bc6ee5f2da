import { isIP } from 'node:net';
import type { Server } from 'bun';

/** The part of Bun's server that knows the peer. */
export type PeerSource = Pick<Server<unknown>, 'requestIP'> | null;

const FORWARDING_HEADERS = ['forwarded', 'x-forwarded-for', 'x-real-ip'];

/**
 * The address of the client: the peer's, or behind trusted proxies the entry of `X-Forwarded-For` that the outermost of
 * them appended (entries before it are whatever the client claimed). `unknown` when there is no socket.
 *
 * @param trustProxy how many proxies in front are our own
 */
export function clientIp(request: Request, server: PeerSource, trustProxy: number): string {
  const peer = server?.requestIP(request)?.address ?? 'unknown';
  if (trustProxy === 0) return peer;
  const hops = request.headers.get('x-forwarded-for')?.split(',') ?? [];
  const claimed = (hops.at(-trustProxy) ?? hops[0] ?? '').trim();
  return isIP(claimed) === 0 ? peer : claimed;
}

/**
 * True when the request was made on this machine and by its name: a peer on loopback, not passed on by a proxy (which
 * would make everybody local), asked for under a loopback name (a browser that was lured here by DNS rebinding is not).
 */
export function isLoopbackRequest(request: Request, server: PeerSource): boolean {
  if (FORWARDING_HEADERS.some((name) => request.headers.has(name))) return false;
  const peer = server?.requestIP(request)?.address;
  if (peer === undefined || !/^(127\.|::1$|::ffff:127\.)/.test(peer)) return false;
  return /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])(:\d+)?$/.test(request.headers.get('host') ?? '');
}
