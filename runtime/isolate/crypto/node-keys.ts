import {
  createPrivateKey,
  createPublicKey,
  createSecretKey,
  type JsonWebKeyInput,
  type KeyObject,
  type PrivateKeyInput,
  type PublicKeyInput,
} from 'node:crypto';
import { Refusal } from './errors.ts';
import { readJwk } from './key-material.ts';
import { describe, type KeyRecord, type Keyring } from './keyring.ts';
import { CRYPTO_LIMITS } from './limits.ts';
import type { Answer } from './operation.ts';
import type { Request } from './request.ts';

export type NodeKeyType = 'secret' | 'private' | 'public';
const TYPES: ReadonlySet<string> = new Set(['ec', 'ed25519', 'ed448', 'rsa', 'rsa-pss', 'x25519', 'x448']);
const DER_TYPES: ReadonlySet<string> = new Set(['pkcs1', 'pkcs8', 'sec1', 'spki']);

/**
 * The key that `spec` gives: one that the guest holds sealed, or its text.
 *
 * @throws Refusal for kinds and sizes that are too slow to use
 */
export function readKey(spec: Request, type: NodeKeyType, keys: Keyring): KeyObject {
  const key = spec.has('sealed') ? openKey(spec, keys) : parseKey(spec, type);
  if (key.type === type) return key;
  if (type === 'public' && key.type === 'private') return createPublicKey(key);
  throw new Refusal('TypeError', `Invalid key object type ${key.type}, expected ${type}.`, 'ERR_INVALID_ARG_TYPE');
}

function openKey(spec: Request, keys: Keyring): KeyObject {
  const key = keys.open(spec.text('sealed', CRYPTO_LIMITS.headChars));
  // Its usages bind it to `subtle`.
  if (key.record.web !== null) {
    throw new Refusal('TypeError', 'A CryptoKey cannot be used here: see KeyObject.from', 'ERR_INVALID_ARG_TYPE');
  }
  return key.keyObject();
}

function parseKey(spec: Request, type: NodeKeyType): KeyObject {
  if (type === 'secret') {
    const bytes = spec.bytes('data');
    if (bytes.length > CRYPTO_LIMITS.secretBytes) {
      throw new Refusal('RangeError', `A key has at most ${CRYPTO_LIMITS.secretBytes} bytes`, 'ERR_OUT_OF_RANGE');
    }
    return createSecretKey(bytes);
  }
  const input = keyInput(spec);
  const key = type === 'private' ? createPrivateKey(input) : createPublicKey(input as PublicKeyInput);
  assertUsual(key);
  return key;
}

function keyInput(spec: Request): PrivateKeyInput | JsonWebKeyInput {
  if (spec.has('jwk')) return { key: readJwk(spec.any('jwk')), format: 'jwk' } as unknown as JsonWebKeyInput;
  const key = spec.bytes('data');
  if (key.length > CRYPTO_LIMITS.keyBytes) {
    throw new Refusal('RangeError', `A key has at most ${CRYPTO_LIMITS.keyBytes} bytes`, 'ERR_OUT_OF_RANGE');
  }
  const format = spec.text('format', 3) === 'der' ? 'der' : 'pem';
  const type = spec.has('type') ? spec.text('type', 10) : '';
  if (!DER_TYPES.has(type)) return { key, format };
  return { key, format, type: type as 'pkcs8' };
}

/** @throws Refusal for keys whose operations would hold up the main thread */
export function assertUsual(key: KeyObject): void {
  const { modulusLength, namedCurve } = key.asymmetricKeyDetails ?? {};
  const { import: min, max } = CRYPTO_LIMITS.rsaBits;
  const type = key.asymmetricKeyType ?? '';
  const isUsual =
    type === 'ec' ? namedCurve !== undefined : (modulusLength ?? min) >= min && (modulusLength ?? max) <= max;
  if (!TYPES.has(type) || !isUsual) {
    throw new Refusal(
      'Error',
      `Keys are RSA of ${min} to ${max} bits, of a named curve, Ed25519 or X25519 here`,
      'ERR_CRYPTO_UNSUPPORTED_OPERATION',
    );
  }
}

/** The record of a key of `node:crypto`. */
export function nodeRecord(key: KeyObject): KeyRecord {
  if (key.type === 'secret') return { type: 'secret', format: 'raw', material: key.export(), web: null };
  const format = key.type === 'private' ? 'pkcs8' : 'spki';
  return { type: key.type, format, material: key.export({ format: 'der', type: format as 'spki' }), web: null };
}

/** What the guest's KeyObject shows. */
export function describeNode(key: KeyObject, keys: Keyring): Readonly<Record<string, unknown>> {
  const { publicExponent, ...details } = key.asymmetricKeyDetails ?? {};
  return {
    ...describe(nodeRecord(key), keys),
    ...(key.type === 'secret' ? { symmetricKeySize: key.symmetricKeySize } : {}),
    ...(key.type === 'secret' ? {} : { asymmetricKeyType: key.asymmetricKeyType, asymmetricKeyDetails: details }),
    ...(publicExponent === undefined ? {} : { publicExponent: publicExponent.toString() }),
  };
}

/** `createSecretKey`, `createPrivateKey`, `createPublicKey`. */
export function makeKey(request: Request, keys: Keyring): Answer {
  const key = readKey(request.inner('key'), typeOf(request), keys);
  return { head: { keys: [describeNode(key, keys)] }, body: null };
}

function typeOf(request: Request): NodeKeyType {
  const type = request.text('type', 10);
  return type === 'private' || type === 'public' ? type : 'secret';
}

/** `KeyObject.prototype.export`; without a passphrase. */
export function exportNode(request: Request, keys: Keyring): Answer {
  const key = openKey(request.inner('key'), keys);
  const format = request.text('format', 10);
  if (format === 'jwk') return { head: { jwk: key.export({ format: 'jwk' }) }, body: null };
  if (key.type === 'secret') return { head: {}, body: key.export() };
  const type = request.text('type', 10);
  const options = { type: type as 'spki' };
  const out = format === 'pem' ? key.export({ ...options, format }) : key.export({ ...options, format: 'der' });
  return { head: {}, body: Buffer.from(out) };
}

export function equalKeys(request: Request, keys: Keyring): Answer {
  const value = openKey(request.inner('key'), keys).equals(openKey(request.inner('other'), keys));
  return { head: { value }, body: null };
}

/** `KeyObject.from`: the extractable only, for the result gives its bytes to anybody. */
export function fromCryptoKey(request: Request, keys: Keyring): Answer {
  const { record } = keys.open(request.inner('key').text('sealed', CRYPTO_LIMITS.headChars));
  if (record.web?.extractable !== true) {
    throw new Refusal('TypeError', 'The CryptoKey is not extractable', 'ERR_INVALID_ARG_VALUE');
  }
  const open = keys.open(keys.seal({ ...record, web: null }));
  return { head: { keys: [describeNode(open.keyObject(), keys)] }, body: null };
}
