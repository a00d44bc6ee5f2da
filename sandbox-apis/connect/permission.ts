import { CodedError } from '../_kit/errors.ts';
import { type HostRules, IPV4, IPV6, isPublicHost, LABEL, NAME, parseHost, type Target } from '../fetch/permission.ts';

const PORT = '[1-9][0-9]{0,4}';

/** What manifest entries look like (regular expression sources); see the README for their meaning. */
export const PATTERNS = {
  host: `network:tcp:(?:${NAME}|${IPV4}|${IPV6}):${PORT}`,
  wildcard: `network:tcp:\\*\\.${LABEL}\\.${NAME}:${PORT}`,
} as const;

const GRANT = new RegExp(`^network:tcp:(\\*\\.)?(${NAME}|${IPV4}|${IPV6}):(${PORT})$`);
/** What would make a URL parser see more than a host, or decode it. */
const NO_HOST = /[\s/?#@\\:%[\]]/;

/**
 * The place of a connection, its host in the spelling that a URL parser gives (`2130706433` is `127.0.0.1`).
 * @throws CodedError `invalid_input` when it is no host name or address
 */
export function parseTarget(hostname: string, port: number): Target {
  const inner = /^\[(.*)\]$/.exec(hostname)?.[1] ?? hostname;
  const isV6 = inner.includes(':');
  if (isV6 ? /[^0-9a-f:.]/i.test(inner) : NO_HOST.test(hostname)) throw notValid();
  const text = `http://${isV6 ? `[${inner}]` : hostname}/`;
  if (!URL.canParse(text)) throw notValid();
  const { host, literal } = parseHost(new URL(text), 'address');
  return { url: new URL(`tcp://${bracketed(host)}:${port}`), host, port, literal };
}

function notValid(): CodedError {
  return new CodedError('invalid_input', 'address: the host name is not valid');
}

/** The permission that a connection needs; an IPv6 address is in brackets. */
export function permissionFor(host: string, port: number): string {
  return `network:tcp:${bracketed(host)}:${port}`;
}

function bracketed(host: string): string {
  return host.includes(':') ? `[${host}]` : host;
}

interface Grant {
  readonly wildcard: boolean;
  readonly host: string;
  readonly port: number;
}

function parseGrant(permission: string): Grant | null {
  const match = GRANT.exec(permission);
  if (!match) return null;
  const [, star, host = '', port] = match;
  return { wildcard: star !== undefined, host: host.replace(/^\[|\]$/g, ''), port: Number(port) };
}

/** The sentence for an admin. */
export function describe(permission: string): string {
  const grant = parseGrant(permission);
  if (!grant) return `Open TCP connections to ${permission.slice('network:tcp:'.length)}`;
  const { host, port } = grant;
  const inside = isPublicHost(host) ? '' : ', which is not on the internet but on this machine or network';
  const where = grant.wildcard ? `every subdomain of ${host}` : host;
  return `Open TCP connections, and say anything over them, to ${where} on port ${port}${inside}`;
}

/** Whether a granted permission covers a needed one: the same port, and the host or, with a wildcard, one below it. */
export function allows(granted: string, needed: string): boolean {
  const need = parseGrant(needed);
  const grant = parseGrant(granted);
  if (!need || !grant || need.wildcard || need.port !== grant.port) return false;
  return grant.wildcard ? need.host.endsWith(`.${grant.host}`) : need.host === grant.host;
}

/** For the checks of addresses that are shared with `fetch`. */
export const CONNECT_RULES: HostRules = {
  room: 'connect',
  permissionFor,
  allows,
  isWildcard: (granted) => parseGrant(granted)?.wildcard === true,
};
