/** Limits of one plugin's requests; all are enforced by the core's own counts and clock. */
export interface FetchLimits {
  /** Requests in flight a plugin; one is in flight until its body has been read. */
  readonly inFlight: number;
  /** Bytes of a request's body. */
  readonly requestBytes: number;
  /** Bytes of an answer's body, both as received and as decoded. */
  readonly responseBytes: number;
  readonly headerBytes: number;
  readonly headerCount: number;
  readonly redirects: number;
  /** Milliseconds for a connection to one address. */
  readonly connectMs: number;
  /** Milliseconds from the last byte sent to the answer's headers. */
  readonly headersMs: number;
  /** Milliseconds between two chunks of the answer that the guest waits for. */
  readonly idleMs: number;
  /** Milliseconds for all of it, body included. */
  readonly totalMs: number;
}

const MIB = 1024 * 1024;

export const DEFAULT_LIMITS: FetchLimits = {
  inFlight: 32,
  requestBytes: 64 * MIB,
  responseBytes: 32 * MIB,
  headerBytes: 65_536,
  headerCount: 200,
  redirects: 20,
  connectMs: 10_000,
  headersMs: 60_000,
  idleMs: 60_000,
  totalMs: 15 * 60_000,
};
