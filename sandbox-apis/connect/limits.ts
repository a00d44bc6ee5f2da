/** Limits of one plugin's sockets: data, with the reason beside each number; all are enforced by the core's own clock. */
export interface ConnectLimits {
  /** Sockets of a plugin, those included that are being connected or closed. */
  readonly open: number;
  /** Milliseconds for a connection to one address. */
  readonly connectMs: number;
  /** Milliseconds for a TLS handshake, and for what has to be sent before it. */
  readonly handshakeMs: number;
  /** Milliseconds without a byte in either direction. */
  readonly idleMs: number;
  /** Milliseconds that a socket which the plugin has closed may take to send the rest and hear the peer's end. */
  readonly lingerMs: number;
  /** Bytes that are taken from the peer, and dropped, after the plugin has closed the socket. */
  readonly lingerBytes: number;
}

export const DEFAULT_LIMITS: ConnectLimits = {
  /** As many as `fetch` has requests: a pool of connections is 10, and each costs the core a socket and two buffers. */
  open: 32,
  /** As `fetch`: a host that does not answer a SYN in this time is down or drops it. */
  connectMs: 10_000,
  /** Two round trips and a signature; servers that take longer are overloaded. */
  handshakeMs: 10_000,
  /** An IMAP client in IDLE says something every 29 minutes (RFC 2177). */
  idleMs: 30 * 60_000,
  /** A last line at any sensible speed; whoever does not read it by then is not waited for. */
  lingerMs: 2_000,
  /** What can be on its way at a time; a peer that sends on does not use up the plugin's bytes. */
  lingerBytes: 262_144,
};
