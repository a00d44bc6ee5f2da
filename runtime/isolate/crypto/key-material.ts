import { webcrypto } from 'node:crypto';
import { type Algorithm, KDF_NAMES } from './algorithms.ts';
import { Refusal } from './errors.ts';
import type { KeyAlgorithm, KeyRecord, OpenKey } from './keyring.ts';
import { CRYPTO_LIMITS } from './limits.ts';

const { subtle } = webcrypto;
type Usages = readonly webcrypto.KeyUsage[];

/** A JSON Web Key of checked members only. */
export type Jwk = Readonly<Record<string, string | boolean | readonly string[]>>;

/** Members of a JSON Web Key that are texts; `oth`, for RSA keys of more than two primes, is taken by nobody. */
const JWK_TEXTS = 'alg crv d dp dq e k kty n p q qi use x y'.split(' ');

/**
 * The members of a JSON Web Key that mean something, checked for their kind.
 *
 * @throws Refusal DataError
 */
export function readJwk(given: unknown): Jwk {
  const jwk: Record<string, string | boolean | readonly string[]> = {};
  if (typeof given !== 'object' || given === null) throw new Refusal('DataError', 'The key is not a JSON Web Key');
  const members = given as Readonly<Record<string, unknown>>;
  const member = (name: string): unknown => (Object.hasOwn(members, name) ? members[name] : undefined);
  if (member('oth') !== undefined) throw new Refusal('NotSupportedError', 'RSA keys have two primes here');
  for (const name of JWK_TEXTS) {
    const value = member(name);
    if (value === undefined) continue;
    if (typeof value !== 'string') throw new Refusal('DataError', `"${name}" of the JSON Web Key is not a string`);
    jwk[name] = value;
  }
  const ext = member('ext');
  if (ext !== undefined) jwk.ext = Boolean(ext);
  const operations = member('key_ops');
  if (operations !== undefined) {
    if (!Array.isArray(operations) || !operations.every((each) => typeof each === 'string')) {
      throw new Refusal('DataError', '"key_ops" of the JSON Web Key is not a list of strings');
    }
    jwk.key_ops = operations as string[];
  }
  return jwk;
}

/** `importKey`, with Node's own checks and errors. */
export async function importKey(
  format: 'raw' | 'pkcs8' | 'spki',
  bytes: Buffer,
  algorithm: Algorithm,
  extractable: boolean,
  usages: Usages,
): Promise<KeyRecord> {
  const max = format === 'raw' ? CRYPTO_LIMITS.secretBytes : CRYPTO_LIMITS.keyBytes;
  if (bytes.length > max) throw new Refusal('DataError', `A key has at most ${max} bytes here`);
  const key = await subtle.importKey(format, bytes, algorithm, extractable, [...usages]);
  return recordOf(key, format, bytes, extractable);
}

export async function importJwk(
  jwk: Jwk,
  algorithm: Algorithm,
  extractable: boolean,
  usages: Usages,
): Promise<KeyRecord> {
  const key = await subtle.importKey('jwk', { ...jwk } as webcrypto.JsonWebKey, algorithm, extractable, [...usages]);
  if (extractable || KDF_NAMES.has(algorithm.name)) return recordOf(key, ...(await materialOf(key)), extractable);
  // Node has checked it; for us it has to give its bytes.
  const { ext, key_ops, use, ...open } = jwk;
  const openKey = await subtle.importKey('jwk', open as webcrypto.JsonWebKey, algorithm, true, [...usages]);
  return recordOf(key, ...(await materialOf(openKey)), extractable);
}

/** `generateKey`: one record, or those of the public and the private key. */
export async function generateKey(
  algorithm: Algorithm,
  extractable: boolean,
  usages: Usages,
): Promise<readonly KeyRecord[]> {
  const made = (await subtle.generateKey(algorithm as webcrypto.AesKeyAlgorithm, true, [...usages])) as
    | webcrypto.CryptoKey
    | webcrypto.CryptoKeyPair;
  if (!('privateKey' in made)) return [recordOf(made, ...(await materialOf(made)), extractable)];
  const { publicKey, privateKey } = made;
  return [
    recordOf(publicKey, ...(await materialOf(publicKey)), true),
    recordOf(privateKey, ...(await materialOf(privateKey)), extractable),
  ];
}

/**
 * `exportKey`: bytes, or a JSON Web Key.
 *
 * @throws Refusal NotSupportedError for keys that have no exported form, InvalidAccessError for those that may not be had
 */
export async function exportKey(format: 'raw' | 'pkcs8' | 'spki' | 'jwk', key: OpenKey): Promise<Buffer | Jwk> {
  const { web } = key.record;
  if (web === null || KDF_NAMES.has(web.algorithm.name)) {
    throw new Refusal('NotSupportedError', 'The key has no exported form');
  }
  if (!web.extractable) throw new Refusal('InvalidAccessError', 'The key is not extractable');
  const cryptoKey = await key.cryptoKey();
  if (format !== 'jwk') return Buffer.from(await subtle.exportKey(format, cryptoKey));
  const jwk = (await subtle.exportKey('jwk', cryptoKey)) as unknown as Jwk;
  // Ours may do more than the guest's.
  return { ...jwk, key_ops: [...web.usages], ext: true };
}

function recordOf(
  key: webcrypto.CryptoKey,
  format: KeyRecord['format'],
  material: Buffer,
  extractable: boolean,
): KeyRecord {
  const algorithm = plainAlgorithm(key.algorithm as unknown as Readonly<Record<string, unknown>>);
  const { max, import: min } = CRYPTO_LIMITS.rsaBits;
  const bits = algorithm.modulusLength ?? max;
  if (bits < min || bits > max) throw new Refusal('NotSupportedError', `RSA keys have ${min} to ${max} bits here`);
  return { type: key.type, format, material, web: { algorithm, extractable, usages: [...key.usages] } };
}

function plainAlgorithm(algorithm: Readonly<Record<string, unknown>>): KeyAlgorithm {
  const { publicExponent, ...rest } = algorithm;
  const plain = rest as unknown as KeyAlgorithm;
  return publicExponent instanceof Uint8Array ? { ...plain, publicExponent: [...publicExponent] } : plain;
}

async function materialOf(key: webcrypto.CryptoKey): Promise<[format: KeyRecord['format'], material: Buffer]> {
  const format = key.type === 'secret' ? 'raw' : key.type === 'public' ? 'spki' : 'pkcs8';
  return [format, Buffer.from(await subtle.exportKey(format, key))];
}
