import { CodedError } from '../_kit/errors.ts';
import { addressScope, canonicalAddress, isPrivateName } from './addresses.ts';
import { isBadPort } from './bad-ports.ts';

export const LABEL = '[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?';
/** The last label starts with a letter: what ends in a number is an IPv4 address to a URL parser. */
export const NAME = `(?:${LABEL}\\.)*[a-z](?:[a-z0-9_-]{0,61}[a-z0-9_])?`;
export const IPV4 = '(?:[0-9]{1,3}\\.){3}[0-9]{1,3}';
export const IPV6 = '\\[[0-9a-f:]{2,39}\\]';
const PORT = '(?::[1-9][0-9]{0,4})?';

/** What manifest entries look like (regular expression sources); see the README for their meaning. */
export const PATTERNS = {
  anyHost: 'network',
  host: `network:(?:${NAME}|${IPV4}|${IPV6})${PORT}`,
  wildcard: `network:\\*\\.${LABEL}\\.${NAME}${PORT}`,
} as const;

const GRANT = new RegExp(`^network:(\\*\\.)?(${NAME}|${IPV4}|${IPV6})(?::([1-9][0-9]{0,4}))?$`);
const HOST_NAME = new RegExp(`^${NAME}$`);
const WEB_PORTS: readonly number[] = [80, 443];

/** Where a request goes, after WHATWG URL parsing: the only form in which a host is ever judged. */
export interface Target {
  readonly url: URL;
  /** Lower-case ASCII name without a trailing dot, or a canonical IP address without brackets. */
  readonly host: string;
  readonly port: number;
  /** Whether `host` is an address. */
  readonly literal: boolean;
}

/**
 * Reads a URL as the Fetch standard does.
 * @throws CodedError `invalid_input` when it is no http(s) URL, has credentials, an invalid host or a blocked port.
 */
export function parseTarget(text: string): Target {
  if (!URL.canParse(text)) throw new CodedError('invalid_input', 'url: not a valid absolute URL');
  const url = new URL(text);
  if (url.protocol !== 'http:' && url.protocol !== 'https:') {
    throw new CodedError('invalid_input', `url: only http: and https: are fetched, not ${url.protocol}`);
  }
  if (url.username || url.password) throw new CodedError('invalid_input', 'url: credentials are not allowed in a URL');
  const { host, literal } = parseHost(url, 'url');
  const port = url.port === '' ? (url.protocol === 'https:' ? 443 : 80) : Number(url.port);
  if (isBadPort(port)) throw new CodedError('invalid_input', `url: port ${port} is blocked by the Fetch standard`);
  return { url, host, port, literal };
}

/**
 * The host of a parsed http URL in the one spelling that is judged.
 * @param argument its name, for the error
 * @throws CodedError `invalid_input` when it is no host name
 */
export function parseHost({ hostname }: URL, argument: string): Pick<Target, 'host' | 'literal'> {
  const bare = hostname.replace(/^\[|\]$/g, '').replace(/\.$/, '');
  const address = canonicalAddress(bare);
  if (address === null && (bare.length > 253 || !HOST_NAME.test(bare))) {
    throw new CodedError('invalid_input', `${argument}: the host name is not valid`);
  }
  return { host: address ?? bare, literal: address !== null };
}

/** The permission that a request to the target needs: always with a port, an IPv6 address in brackets. */
export function permissionFor(host: string, port: number): string {
  return `network:${host.includes(':') ? `[${host}]` : host}:${port}`;
}

interface Grant {
  readonly wildcard: boolean;
  readonly host: string;
  /** Null: 80 and 443. */
  readonly port: number | null;
}

function parseGrant(permission: string): Grant | null {
  const match = GRANT.exec(permission);
  if (!match) return null;
  const [, star, host = '', port] = match;
  return { wildcard: star !== undefined, host: host.replace(/^\[|\]$/g, ''), port: port ? Number(port) : null };
}

/** The sentence for an admin. */
export function describe(permission: string): string {
  const grant = parseGrant(permission);
  if (!grant) return 'Send requests to any host on the internet (private addresses excepted)';
  const where = grant.port === null ? 'on ports 80 and 443' : `on port ${grant.port}`;
  if (grant.wildcard) return `Send requests to every subdomain of ${grant.host} ${where}`;
  const inside = isPublicHost(grant.host) ? '' : ', which is not on the internet but on this machine or network';
  return `Send requests to ${grant.host} ${where}${inside}`;
}

/** What plain `network` stands for: an address or a name of the internet. */
export function isPublicHost(host: string): boolean {
  const address = canonicalAddress(host);
  return address === null ? !isPrivateName(host) : addressScope(address) === 'public';
}

/**
 * Whether a granted permission covers a needed one (`network:<host>:<port>`, as `permissionFor` writes it).
 * `network` covers any port of any public host; a wildcard at least one label more; no port means 80 and 443.
 */
export function allows(granted: string, needed: string): boolean {
  const need = parseGrant(needed);
  if (!need || need.wildcard || need.port === null) return false;
  if (granted === 'network') return isPublicHost(need.host);
  const grant = parseGrant(granted);
  if (!grant) return false;
  const port = grant.port === null ? WEB_PORTS.includes(need.port) : grant.port === need.port;
  const host = grant.wildcard ? need.host.endsWith(`.${grant.host}`) : need.host === grant.host;
  return port && host;
}

/** How a room's permissions name hosts. */
export interface HostRules {
  /** Of the room, for the log. */
  readonly room: string;
  readonly permissionFor: (host: string, port: number) => string;
  readonly allows: (granted: string, needed: string) => boolean;
  /** Whether a grant stands for many names. */
  readonly isWildcard: (granted: string) => boolean;
}

export const FETCH_RULES: HostRules = {
  room: 'fetch',
  permissionFor,
  allows,
  isWildcard: (granted) => parseGrant(granted)?.wildcard === true,
};

/**
 * Address policy, beside the gate's permission: whether a plugin with these grants may open a connection to an address
 * that the target's name was resolved to. DNS answers belong to whoever owns the name, so a private address counts as
 * named only when its number is granted, or when the name is one that no public DNS can give (`localhost`,
 * `intranet.corp`) and was granted exactly.
 */
export function mayConnect(
  grants: readonly string[],
  target: Target,
  address: string,
  { permissionFor, allows, isWildcard }: HostRules = FETCH_RULES,
): boolean {
  const scope = addressScope(address);
  if (scope === 'public') return true;
  if (scope === 'never') return false;
  const byNumber = permissionFor(address, target.port);
  if (grants.some((granted) => allows(granted, byNumber))) return true;
  if (scope !== 'private' || !isPrivateName(target.host)) return false;
  const byName = permissionFor(target.host, target.port);
  return grants.some((granted) => !isWildcard(granted) && allows(granted, byName));
}

/** The grant that allows a connection to a private address by its number; undefined when none is needed, or there is none. */
export function addressGrant(
  grants: readonly string[],
  target: Target,
  address: string,
  { permissionFor, allows }: HostRules = FETCH_RULES,
): string | undefined {
  if (addressScope(address) === 'public') return undefined;
  const byNumber = permissionFor(address, target.port);
  return grants.findLast((granted) => allows(granted, byNumber));
}
