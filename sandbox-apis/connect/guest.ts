import type { GuestHost } from '../_kit/guest.ts';
import type * as sockets from './guest-socket.ts';

/** Where to connect to: `mail.example.com:587`, `[2001:db8::1]:587`, or the two in an object. */
export type SocketAddress = string | { readonly hostname: string; readonly port: number };

export interface SocketOptions {
  /** `off`: plain text (default). `on`: TLS at once. `starttls`: plain text until `startTls()` is called. */
  readonly secureTransport?: 'off' | 'on' | 'starttls';
  /** Whether you may go on writing when the peer has ended; else the socket closes then (default). */
  readonly allowHalfOpen?: boolean;
  /** The name to ask for and to find in the certificate, when it is not the host name. */
  readonly sni?: string | null;
  /** Protocols to offer by ALPN, the best first. */
  readonly alpn?: readonly string[];
}

export interface SocketInfo {
  /** Host and port as they were asked for. */
  readonly remoteAddress: string | null;
  /** Not told. */
  readonly localAddress: string | null;
  /** The protocol that the server took of those offered. */
  readonly alpn: string | null;
}

/** A connection, after the WinterTC Sockets API (https://sockets-api.proposal.wintertc.org/). */
export interface Socket {
  /** What the peer sends; ends when the peer ends. */
  readonly readable: ReadableStream<Uint8Array>;
  /** What is sent to the peer: bytes, or text as UTF-8. A write is done when the host has taken it. */
  readonly writable: WritableStream<Uint8Array | ArrayBuffer | ArrayBufferView | string>;
  /** Resolves when the connection is there, with TLS when that was asked for. */
  readonly opened: Promise<SocketInfo>;
  /** Resolves when the socket is closed by either side; rejects when it could not be opened or was cut. */
  readonly closed: Promise<void>;
  /** Whether `startTls` was called on it. */
  readonly upgraded: boolean;
  readonly secureTransport: 'off' | 'on' | 'starttls';
  /** Closes it: what was written is still sent. Answers `closed`. */
  close(reason?: unknown): Promise<void>;
  /**
   * Goes on with TLS on the same connection: this socket closes, the new one reads and writes.
   * @throws SocketError when the socket was not opened with `secureTransport: 'starttls'`, or is closed or upgraded
   */
  startTls(options?: { readonly expectedServerHostname?: string }): Socket;
}

/**
 * Opens a TCP or TLS connection, after the WinterTC Sockets API; also `import { connect } from 'cloudflare:sockets'`.
 *
 * Needs the permission `network:tcp:<host>:<port>` or `network:tcp:*.<domain>:<port>`; private addresses have to be named.
 * Certificates are verified, by the host name or `sni`.
 *
 * What goes wrong later rejects `opened` and `closed` and fails both streams: a PermissionError that names the permission
 * which is missing, else a SocketError with `code` and `cause`.
 *
 * @throws SocketError (a TypeError) for an address or option that is not valid
 * @example
 * ```ts
 * const socket = streamspace.connect('example.com:7', { secureTransport: 'on' });
 * const writer = socket.writable.getWriter();
 * await writer.write('hello');
 * for await (const bytes of socket.readable) streamspace.log.info(new TextDecoder().decode(bytes));
 * ```
 */
export type ConnectApi = (address: SocketAddress, options?: SocketOptions) => Socket;

/** Internals of the guest's web platform, passed in by the prelude. */
export interface ConnectWeb {
  /** The sockets themselves, evaluated at the first call. */
  sockets(): typeof sockets;
  /** The streams library: the global names are the guest's to replace. */
  streams(): {
    readonly ReadableStream: typeof ReadableStream;
    readonly WritableStream: typeof WritableStream;
  };
  encode(text: string): Uint8Array;
}

/** The guest's `connect`. */
export function createConnect(host: GuestHost, web: ConnectWeb): ConnectApi {
  return function connect(address, options) {
    return web.sockets().openSocket({ host, ...web.streams(), encode: web.encode }, address, options);
  };
}
