/** Limits of the cryptography that guests ask the host for: data, with the reason beside each number. */
export const CRYPTO_LIMITS = {
  /** Characters of a request's JSON: a JSON Web Key of RSA 4096 is 3,200, a sealed key 4,500. */
  headChars: 131_072,
  /** Bytes of one asynchronous request: as much as a mailbox holds (runtime/guest/mailbox.ts); 20 ms of AES. */
  laterBytes: 16 * 1024 * 1024,
  /** Bytes of one synchronous request: 1.5 ms of a hash while the neighbours wait. */
  nowBytes: 1024 * 1024 + 65_536,
  /** Byte strings in one request: data, signature, iv, additional data, label, salt, info, passphrase, some spare. */
  parts: 16,
  /** Bytes of the requests of one isolate that wait: they are in the host's memory, which no isolate's limit counts. */
  waitingBytes: 32 * 1024 * 1024,
  /** Requests of one isolate that wait; each holds its texts and a closure. */
  waiting: 4_096,
  /** Operations at a time on libuv's four threads: a slow one never takes more than half of them, nor one isolate. */
  running: { process: 4, isolate: 2, heavyInProcess: 2, heavyInIsolate: 1 },
  /** Bytes of secret key material: a passphrase or an HMAC key; more is hashed first by HMAC itself. */
  secretBytes: 65_536,
  /** Bytes of an asymmetric key in DER or PEM; a private key of RSA 4096 is 2,400 in DER, with a certificate 6,000. */
  keyBytes: 16_384,
  /** Bits of an RSA key: below 1,024 it is no protection, over 4,096 an operation takes tens of milliseconds. */
  rsaBits: { import: 1_024, generate: 2_048, max: 4_096 },
  /** Bytes that PBKDF2, scrypt or a derived key may give. */
  derivedBytes: 65_536,
  /**
   * Rounds of PBKDF2 (iterations for each block of output): OWASP asks for 1,300,000 of SHA-1 and 210,000 of SHA-512.
   * 2,000,000 of SHA-512 take 1.4 s of a thread, and cannot be cancelled.
   */
  pbkdf2Rounds: 2_000_000,
  /** The same on the main thread: 15 ms of SHA-512. */
  pbkdf2RoundsNow: 20_000,
  /** Rounds from which PBKDF2 waits with the slow ones: 10 ms. */
  pbkdf2RoundsLight: 10_000,
  /** Bytes of scrypt's table (128 N r): Node's own default. Of p, so that one run is under a second. */
  scrypt: { bytes: 32 * 1024 * 1024, parallel: 8 },
  /** The same on the main thread: N, r and p as Node has them by default, 40 ms. */
  scryptNow: { bytes: 16 * 1024 * 1024, parallel: 1 },
  /** Opened keys that are kept ready, for each isolate; others are opened again (60 us for RSA). */
  openKeys: 64,
  /** Hashes, ciphers and signatures under way in one isolate; one more ends the one that was idle longest. */
  streams: 64,
  /** Bytes of the output of a hash of any length (SHAKE). */
  hashBytes: 65_536,
  /** Characters of an error's message. */
  messageChars: 300,
} as const;
