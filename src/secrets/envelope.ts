import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto';

/** AES-256-GCM (NIST SP 800-38D) with a random 96-bit nonce: `version(1) nonce(12) ciphertext tag(16)`. */
const VERSION = 1;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

export interface SealingKey {
  /** Names the key without telling anything of it. */
  readonly id: string;
  readonly bytes: Uint8Array;
}

/** A sealed value as tables keep it. */
export interface SealedValue {
  readonly sealed: Uint8Array;
  readonly key_id: string;
}

/** Where a secret belongs; authenticated with it, so that it opens nowhere else. */
export interface SecretPlace {
  readonly plugin: string;
  readonly name: string;
}

/**
 * The key for secrets, derived (HKDF-SHA256, RFC 5869) from the master key, which may serve other ends too.
 * @param master the 32 bytes of STREAMSPACE_SECRET_KEY
 */
export function sealingKey(master: Uint8Array): SealingKey {
  if (master.length !== 32) throw new RangeError(`STREAMSPACE_SECRET_KEY has ${master.length} bytes, not 32`);
  return {
    id: deriveKey(master, 'plugin secrets v1 id', 8).toString('hex'),
    bytes: deriveKey(master, 'plugin secrets v1', 32),
  };
}

/** A key for one end, which tells nothing of the master key or of those for other ends. */
export function deriveKey(master: Uint8Array, use: string, bytes: number): Buffer {
  return Buffer.from(hkdfSync('sha256', master, '', `streamspace ${use}`, bytes));
}

export function seal(key: SealingKey, place: SecretPlace, secret: string): Buffer {
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv('aes-256-gcm', key.bytes, nonce, { authTagLength: TAG_BYTES });
  cipher.setAAD(associated(key, place));
  return Buffer.concat([Buffer.of(VERSION), nonce, cipher.update(secret, 'utf8'), cipher.final(), cipher.getAuthTag()]);
}

/** @throws Error when it was sealed with another key, for another place, or was changed since */
export function open(key: SealingKey, place: SecretPlace, sealed: Uint8Array): string {
  const bytes = Buffer.from(sealed.buffer, sealed.byteOffset, sealed.byteLength);
  if (bytes[0] !== VERSION) throw new Error(`envelope version ${bytes[0]} is unknown`);
  if (bytes.length < 1 + NONCE_BYTES + TAG_BYTES) throw new Error('the envelope is too short');
  const nonce = bytes.subarray(1, 1 + NONCE_BYTES);
  const decipher = createDecipheriv('aes-256-gcm', key.bytes, nonce, { authTagLength: TAG_BYTES });
  decipher.setAAD(associated(key, place));
  decipher.setAuthTag(bytes.subarray(-TAG_BYTES));
  return Buffer.concat([decipher.update(bytes.subarray(1 + NONCE_BYTES, -TAG_BYTES)), decipher.final()]).toString(
    'utf8',
  );
}

function associated(key: SealingKey, { plugin, name }: SecretPlace): Buffer {
  return Buffer.from(JSON.stringify(['streamspace-secret', VERSION, key.id, plugin, name]));
}
