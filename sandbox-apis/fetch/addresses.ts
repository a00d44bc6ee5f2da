import ipaddr from 'ipaddr.js';

/**
 * How far an address reaches: `public` is the internet; `private` is this machine or a network of its own, and has to be
 * named in a permission; `special` (link-local, cloud metadata, tunnels, documentation) has to be named by its number;
 * `never` is no host at all (unspecified, multicast, broadcast).
 */
export type AddressScope = 'public' | 'private' | 'special' | 'never';

const NEVER: ReadonlySet<string> = new Set(['unspecified', 'multicast', 'broadcast']);
const PRIVATE: ReadonlySet<string> = new Set(['loopback', 'private', 'carrierGradeNat', 'uniqueLocal']);
/** Cloud metadata outside the link-local range: AWS over IPv6, Alibaba. */
const METADATA: ReadonlySet<string> = new Set(['fd00:ec2::254', '100.100.100.200']);
/** The only global unicast space (RFC 4291, IANA); what ipaddr.js calls unicast besides is not assigned to anybody. */
const GLOBAL_UNICAST = ipaddr.IPv6.parseCIDR('2000::/3');

/**
 * The one spelling of an IP address (RFC 5952), without brackets; an IPv4-mapped one (`::ffff:10.0.0.5`) becomes the IPv4
 * address that the system connects to. Null when the text is no address, or has a zone.
 */
export function canonicalAddress(text: string): string | null {
  if (text.includes('%')) return null;
  if (ipaddr.IPv4.isValidFourPartDecimal(text)) return ipaddr.IPv4.parse(text).toString();
  if (!ipaddr.IPv6.isValid(text)) return null;
  const address = ipaddr.IPv6.parse(text);
  return address.isIPv4MappedAddress() ? address.toIPv4Address().toString() : address.toString();
}

/** Judges a canonical address by the IANA special-purpose registries (RFC 6890), as ipaddr.js knows them. */
export function addressScope(canonical: string): AddressScope {
  const address = ipaddr.parse(canonical);
  const range = address.range();
  if (NEVER.has(range)) return 'never';
  if (PRIVATE.has(range) && !METADATA.has(canonical)) return 'private';
  if (range !== 'unicast') return 'special';
  if (address instanceof ipaddr.IPv6) return address.match(GLOBAL_UNICAST) ? 'public' : 'special';
  return 'public';
}

/** Top-level names that the public DNS will never delegate: RFC 6761, 6762 (appendix G), 8375 and ICANN's `.internal`. */
const PRIVATE_TLDS: ReadonlySet<string> = new Set([
  'localhost',
  'local',
  'internal',
  'intranet',
  'private',
  'corp',
  'home',
  'lan',
  'test',
  'invalid',
]);

/** Whether a host name can only be given by a private network: one label, a private top-level name, or `home.arpa`. */
export function isPrivateName(host: string): boolean {
  const labels = host.split('.');
  return labels.length === 1 || PRIVATE_TLDS.has(labels.at(-1) ?? '') || host.endsWith('.home.arpa');
}
