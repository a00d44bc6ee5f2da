import { webcrypto } from 'node:crypto';
import {
  type Algorithm,
  assertDerivedBytes,
  assertMayGenerate,
  assertRounds,
  HASHES,
  KDF_NAMES,
  readAlgorithm,
} from './algorithms.ts';
import { Refusal } from './errors.ts';
import { exportKey, generateKey, importJwk, importKey, type Jwk, readJwk } from './key-material.ts';
import { describe, type KeyRecord, type Keyring, type OpenKey } from './keyring.ts';
import { CRYPTO_LIMITS } from './limits.ts';
import { type Answer, answerOf, type Operation } from './operation.ts';
import { malformed, type Request } from './request.ts';

const { subtle } = webcrypto;
type Usage = webcrypto.KeyUsage;

const FORMATS: ReadonlySet<string> = new Set(['raw', 'pkcs8', 'spki', 'jwk']);
/** Characters of a sealed key: with the largest secret inside. */
const SEALED = CRYPTO_LIMITS.headChars;

/** The operations of `SubtleCrypto`. Node does the work and finds the faults; here are the rights of keys, and the limits. */
export const SUBTLE: ReadonlyMap<string, Operation> = new Map<string, Operation>([
  ['digest', async (request, keys) => answerOf(await subtle.digest(await own(request, keys), request.bytes('data')))],
  ['encrypt', crypt],
  ['decrypt', crypt],
  ['sign', crypt],
  ['verify', verify],
  ['generateKey', generate],
  ['importKey', async (request, keys) => keyAnswer(await importAs(request, keys, readMaterial(request)), keys)],
  ['exportKey', async (request, keys) => exported(await exportKey(formatOf(request), keyOf(request, keys)))],
  ['deriveBits', async (request, keys) => answerOf(await derive(request, keys, 'deriveBits', bitsAsked(request)))],
  ['deriveKey', deriveKey],
  ['wrapKey', wrapKey],
  ['unwrapKey', unwrapKey],
]);

/** The algorithm as `digest` takes it. */
async function own(request: Request, keys: Keyring): Promise<Algorithm> {
  return readAlgorithm(request, 'algorithm', keys);
}

function keyOf(request: Request, keys: Keyring, field = 'key'): OpenKey {
  return keys.open(request.text(field, SEALED));
}

/** @throws Refusal InvalidAccessError unless the key is of that algorithm and may be used so */
function assertMay(key: OpenKey, { name }: Algorithm, usage: Usage): void {
  const { web } = key.record;
  if (web?.algorithm.name !== name) throw new Refusal('InvalidAccessError', `The key is not one of ${name}`);
  if (!web.usages.includes(usage)) throw new Refusal('InvalidAccessError', `The key may not be used to ${usage}`);
}

async function crypt(request: Request, keys: Keyring): Promise<Answer> {
  const usage = request.op as 'encrypt' | 'decrypt' | 'sign';
  const algorithm = await own(request, keys);
  const key = keyOf(request, keys);
  assertMay(key, algorithm, usage);
  return answerOf(
    await subtle[usage](algorithm as webcrypto.AesCbcParams, await key.cryptoKey(), request.bytes('data')),
  );
}

async function verify(request: Request, keys: Keyring): Promise<Answer> {
  const algorithm = await own(request, keys);
  const key = keyOf(request, keys);
  assertMay(key, algorithm, 'verify');
  const cryptoKey = await key.cryptoKey();
  const value = await subtle.verify(algorithm, cryptoKey, request.bytes('signature'), request.bytes('data'));
  return { head: { value }, body: null };
}

async function generate(request: Request, keys: Keyring): Promise<Answer> {
  const algorithm = await own(request, keys);
  assertMayGenerate(algorithm);
  const made = await generateKey(algorithm, request.flag('extractable'), usagesOf(request));
  return { head: { keys: made.map((record) => describe(record, keys)) }, body: null };
}

function usagesOf(request: Request): Usage[] {
  // A name that is none is found by Node; each may be there twice.
  return [...new Set(request.texts('usages', 100))] as Usage[];
}

function keyAnswer(record: KeyRecord, keys: Keyring): Answer {
  return { head: { keys: [describe(record, keys)] }, body: null };
}

type Material = { readonly format: 'raw' | 'pkcs8' | 'spki'; readonly bytes: Buffer } | { readonly jwk: Jwk };

function formatOf(request: Request): 'raw' | 'pkcs8' | 'spki' | 'jwk' {
  const format = request.text('format', 10);
  if (!FORMATS.has(format)) throw malformed('format');
  return format as 'raw';
}

function readMaterial(request: Request): Material {
  const format = formatOf(request);
  if (format !== 'jwk') return { format, bytes: request.bytes('data') };
  return { jwk: readJwk(request.any('jwk')) };
}

/** @throws Refusal DataError for what is not the JSON of an object */
function parseJwk(bytes: Buffer): Jwk {
  if (bytes.length > CRYPTO_LIMITS.headChars) throw new Refusal('DataError', 'The JSON Web Key is too long');
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    throw new Refusal('DataError', 'The key is not a JSON Web Key');
  }
  return readJwk(value);
}

/** Makes a key of the request's `target` (or `algorithm`), `extractable` and `usages`. */
async function importAs(request: Request, keys: Keyring, material: Material): Promise<KeyRecord> {
  const algorithm = await readAlgorithm(request, request.has('target') ? 'target' : 'algorithm', keys);
  const extractable = request.flag('extractable');
  const usages = usagesOf(request);
  if ('jwk' in material) return importJwk(material.jwk, algorithm, extractable, usages);
  return importKey(material.format, material.bytes, algorithm, extractable, usages);
}

function exported(key: Buffer | Jwk): Answer {
  return Buffer.isBuffer(key) ? answerOf(key) : { head: { jwk: key }, body: null };
}

function bitsAsked(request: Request): number | null {
  return request.has('length') ? request.integer('length', 0xffff_ffff) : null;
}

async function derive(
  request: Request,
  keys: Keyring,
  usage: 'deriveBits' | 'deriveKey',
  length: number | null,
): Promise<ArrayBuffer> {
  const algorithm = await own(request, keys);
  const key = keyOf(request, keys);
  assertMay(key, algorithm, usage);
  const bytes = Math.ceil((length ?? 0) / 8);
  if (KDF_NAMES.has(algorithm.name)) assertDerivedBytes(bytes);
  if (algorithm.name === 'PBKDF2') {
    const { bytes: hashBytes } = HASHES.get(algorithm.hash ?? '') ?? { bytes: 20 };
    assertRounds(algorithm.iterations ?? 0, bytes, hashBytes, CRYPTO_LIMITS.pbkdf2Rounds);
  }
  return subtle.deriveBits(algorithm as webcrypto.HkdfParams, await key.cryptoKey(), length as number);
}

async function deriveKey(request: Request, keys: Keyring): Promise<Answer> {
  const target = await readAlgorithm(request, 'target', keys);
  const bits = await derive(request, keys, 'deriveKey', bitsOf(target));
  return keyAnswer(await importAs(request, keys, { format: 'raw', bytes: Buffer.from(bits) }), keys);
}

/** "Get key length" of the API: how many bits a key of the algorithm is made from; null for as many as there are. */
function bitsOf({ name, length, hash }: Algorithm): number | null {
  if (KDF_NAMES.has(name)) return null;
  if (name === 'HMAC') {
    if (length === 0) throw new Refusal('TypeError', 'The length of the key is 0');
    return length ?? (HASHES.get(hash ?? '') ?? { block: 64 }).block * 8;
  }
  if (length === 128 || length === 192 || length === 256) return length;
  throw new Refusal('OperationError', 'The length of the key is not 128, 192 or 256');
}

/** AES-KW wraps keys only: bytes go through it as those of an HMAC key, which may be any. */
const ANY_BYTES = { name: 'HMAC', hash: 'SHA-256' } as const;

async function wrapKey(request: Request, keys: Keyring): Promise<Answer> {
  const algorithm = await own(request, keys);
  const wrapping = keyOf(request, keys, 'wrapping');
  assertMay(wrapping, algorithm, 'wrapKey');
  const key = await exportKey(formatOf(request), keyOf(request, keys));
  const bytes = Buffer.isBuffer(key) ? key : Buffer.from(JSON.stringify(key));
  const cryptoKey = await wrapping.cryptoKey();
  if (algorithm.name !== 'AES-KW') {
    return answerOf(await subtle.encrypt(algorithm as webcrypto.AesCbcParams, cryptoKey, bytes));
  }
  if (bytes.length % 8 !== 0) throw new Refusal('OperationError', 'AES-KW wraps multiples of 8 bytes');
  const carrier = await subtle.importKey('raw', bytes, ANY_BYTES, true, ['sign']);
  return answerOf(await subtle.wrapKey('raw', carrier, cryptoKey, 'AES-KW'));
}

async function unwrapKey(request: Request, keys: Keyring): Promise<Answer> {
  const algorithm = await own(request, keys);
  const unwrapping = keyOf(request, keys);
  assertMay(unwrapping, algorithm, 'unwrapKey');
  const cryptoKey = await unwrapping.cryptoKey();
  const wrapped = request.bytes('data');
  let bytes: Buffer;
  if (algorithm.name === 'AES-KW') {
    const carrier = await subtle.unwrapKey('raw', wrapped, cryptoKey, 'AES-KW', ANY_BYTES, true, ['sign']);
    bytes = Buffer.from(await subtle.exportKey('raw', carrier));
  } else {
    bytes = Buffer.from(await subtle.decrypt(algorithm as webcrypto.AesCbcParams, cryptoKey, wrapped));
  }
  const format = formatOf(request);
  return keyAnswer(
    await importAs(request, keys, format === 'jwk' ? { jwk: parseJwk(bytes) } : { format, bytes }),
    keys,
  );
}
