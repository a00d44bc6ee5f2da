import { type ClientRequestArgs, Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import { createSecureContext, getCACertificates, type SecureContext } from 'node:tls';

/** Request options that node:http hands on to the agent; the pool is keyed by them. */
export interface Owned {
  readonly plugin: string;
}

/** Connections are kept for 4 s, less than the 5 s after which common servers close them. */
const KEEP = { keepAlive: true, timeout: 4_000, maxFreeSockets: 4 } as const;

const ownedBy = (name: string, options?: ClientRequestArgs): string =>
  `${name}:${(options as Partial<Owned> | undefined)?.plugin ?? ''}`;

/** Connections of one plugin are never used by another: a server may have tied a login to the connection. */
class PluginHttpAgent extends HttpAgent {
  override getName(options?: ClientRequestArgs): string {
    return ownedBy(super.getName(options), options);
  }
}

class PluginHttpsAgent extends HttpsAgent {
  override getName(options?: ClientRequestArgs): string {
    return ownedBy(super.getName(options), options);
  }
}

/** The pools of kept connections, keyed by address, port, TLS name and plugin. */
export interface Agents {
  readonly http: HttpAgent;
  readonly https: HttpsAgent;
  /** Trust store, when it is more than the default one. */
  readonly secureContext: SecureContext | null;
}

/** Trust in these PEM certificates besides the default ones; null when the default ones are enough. */
export function trustStore(ca: readonly string[]): SecureContext | null {
  return ca.length === 0 ? null : createSecureContext({ ca: [...getCACertificates('default'), ...ca] });
}

/** @param ca PEM certificates that are trusted besides the default ones */
export function createAgents(ca: readonly string[]): Agents {
  return {
    http: new PluginHttpAgent(KEEP),
    https: new PluginHttpsAgent(KEEP),
    secureContext: trustStore(ca),
  };
}
