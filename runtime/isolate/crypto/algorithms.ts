import type { webcrypto } from 'node:crypto';
import { Refusal } from './errors.ts';
import type { Keyring } from './keyring.ts';
import { CRYPTO_LIMITS } from './limits.ts';
import { malformed, type Request } from './request.ts';

/** The algorithms of the Web Cryptography API that guests may name, in their one spelling. */
const NAMES: ReadonlySet<string> = new Set([
  'AES-CBC',
  'AES-CTR',
  'AES-GCM',
  'AES-KW',
  'ECDH',
  'ECDSA',
  'Ed25519',
  'Ed448',
  'HKDF',
  'HMAC',
  'PBKDF2',
  'RSA-OAEP',
  'RSA-PSS',
  'RSASSA-PKCS1-v1_5',
  'SHA-1',
  'SHA-256',
  'SHA-384',
  'SHA-512',
  'X25519',
  'X448',
]);
/** Digests, with their bytes and the bytes of their block. */
export const HASHES: ReadonlyMap<string, { readonly bytes: number; readonly block: number }> = new Map([
  ['SHA-1', { bytes: 20, block: 64 }],
  ['SHA-256', { bytes: 32, block: 64 }],
  ['SHA-384', { bytes: 48, block: 128 }],
  ['SHA-512', { bytes: 64, block: 128 }],
]);
const CURVES: ReadonlySet<string> = new Set(['P-256', 'P-384', 'P-521']);
export const KDF_NAMES: ReadonlySet<string> = new Set(['HKDF', 'PBKDF2']);

/** Members of all the parameter dictionaries; each means the same in every one. */
const MEMBERS: ReadonlyMap<string, 'bytes' | 'integer' | 'hash' | 'curve' | 'key'> = new Map([
  ['additionalData', 'bytes'],
  ['context', 'bytes'],
  ['counter', 'bytes'],
  ['hash', 'hash'],
  ['info', 'bytes'],
  ['iterations', 'integer'],
  ['iv', 'bytes'],
  ['label', 'bytes'],
  ['length', 'integer'],
  ['modulusLength', 'integer'],
  ['namedCurve', 'curve'],
  ['public', 'key'],
  ['publicExponent', 'bytes'],
  ['salt', 'bytes'],
  ['saltLength', 'integer'],
  ['tagLength', 'integer'],
]);

/** An algorithm with its parameters, made of checked values only, as Node takes it. */
export interface Algorithm {
  readonly name: string;
  readonly hash?: string;
  readonly iterations?: number;
  readonly length?: number;
  readonly modulusLength?: number;
  readonly namedCurve?: string;
  readonly public?: webcrypto.CryptoKey;
  readonly publicExponent?: Uint8Array;
}

/**
 * The algorithm that a request names under `field`. Which members it needs, and their ranges, is Node's to say.
 *
 * @throws Refusal NotSupportedError for a name that is not ours, or when a member is of the wrong kind
 */
export async function readAlgorithm(request: Request, field: string, keys: Keyring): Promise<Algorithm> {
  const given = request.inner(field);
  const algorithm: Record<string, unknown> = Object.create(null);
  for (const member of given.keys()) {
    const kind = MEMBERS.get(member);
    if (kind !== undefined && given.has(member)) algorithm[member] = await readMember(given, member, kind, keys);
  }
  algorithm.name = oneOf(NAMES, given.text('name', 30));
  return algorithm as unknown as Algorithm;
}

async function readMember(given: Request, member: string, kind: string, keys: Keyring): Promise<unknown> {
  switch (kind) {
    case 'bytes':
      return given.bytes(member);
    case 'integer':
      return given.integer(member, 0xffff_ffff);
    case 'hash':
      return oneOf(HASHES, given.text(member, 30));
    case 'curve':
      return oneOf(CURVES, given.text(member, 30));
    case 'key':
      return keys.open(given.text(member, CRYPTO_LIMITS.headChars)).cryptoKey();
    default:
      throw malformed(member);
  }
}

function oneOf(names: { has(name: string): boolean }, name: string): string {
  if (!names.has(name)) throw new Refusal('NotSupportedError', 'Unrecognized algorithm name');
  return name;
}

/** @throws Refusal OperationError for keys that take too long, or too much, to make */
export function assertMayGenerate({ name, modulusLength, publicExponent, length }: Algorithm): void {
  if (modulusLength !== undefined) assertRsa(modulusLength, publicExponent ?? new Uint8Array(0));
  if (name === 'HMAC' && (length ?? 0) > CRYPTO_LIMITS.secretBytes * 8) {
    throw new Refusal('OperationError', `A key has at most ${CRYPTO_LIMITS.secretBytes} bytes here`);
  }
}

/** @throws Refusal OperationError for sizes and exponents other than the usual ones */
export function assertRsa(modulusLength: number, publicExponent: Uint8Array): void {
  const { generate, max } = CRYPTO_LIMITS.rsaBits;
  const exponent = publicExponent.length > 8 ? 0 : publicExponent.reduce((sum, byte) => sum * 256 + byte, 0);
  if (exponent !== 3 && exponent !== 65_537) {
    throw new Refusal('OperationError', 'The public exponent has to be 3 or 65537');
  }
  if (modulusLength < generate || modulusLength > max) {
    throw new Refusal('OperationError', `RSA keys of ${generate} to ${max} bits are made here`);
  }
}

/** @throws Refusal OperationError when PBKDF2 would take more rounds than `max` */
export function assertRounds(iterations: number, outputBytes: number, hashBytes: number, max: number): void {
  if (iterations * Math.ceil(outputBytes / hashBytes) > max) {
    throw new Refusal('OperationError', `PBKDF2 may take ${max} rounds (iterations for each block of output) here`);
  }
}

/** @throws Refusal OperationError when more is asked for than a derivation may give here */
export function assertDerivedBytes(bytes: number): void {
  if (bytes > CRYPTO_LIMITS.derivedBytes) {
    throw new Refusal('OperationError', `At most ${CRYPTO_LIMITS.derivedBytes} bytes are derived at once here`);
  }
}
