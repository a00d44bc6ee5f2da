import type { CryptoReply } from '../../crypto-line.ts';
import { decodeLatin1 } from '../latin1.ts';
import { CryptoKey, type KeyDetails, keyText, makeKey } from './crypto-key.ts';
import { bytesFrom, normalize } from './crypto-params.ts';
import { bare, CryptoRequest, viewOf } from './crypto-request.ts';
import { exposeInterface } from './members.ts';

export type { KeyDetails };
export { bare, CryptoKey, CryptoRequest, keyText, makeKey, viewOf };

const INTERNAL: unique symbol = Symbol('internal');

const USAGES: readonly string[] = [
  'encrypt',
  'decrypt',
  'sign',
  'verify',
  'deriveKey',
  'deriveBits',
  'wrapKey',
  'unwrapKey',
];
const FORMATS: readonly string[] = ['raw', 'spki', 'pkcs8', 'jwk'];

function oneOf(names: readonly string[], value: unknown, what: string): string {
  const name = `${value}`;
  if (!names.includes(name)) throw new TypeError(`"${name}" is not a ${what}`);
  return name;
}

function usagesFrom(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || !(Symbol.iterator in value)) {
    throw new TypeError('The usages are not a sequence');
  }
  return [...(value as Iterable<unknown>)].map((usage) => oneOf(USAGES, usage, 'key usage'));
}

/** Members of a JsonWebKey that are strings. */
const JWK_TEXTS = ['alg', 'crv', 'd', 'dp', 'dq', 'e', 'k', 'kty', 'n', 'p', 'q', 'qi', 'use', 'x', 'y'] as const;

function jwkFrom(value: unknown): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || viewOf(value) !== null) {
    throw new TypeError('The key is not a JSON Web Key');
  }
  const given = value as Readonly<Record<string, unknown>>;
  const jwk: Record<string, unknown> = bare({});
  for (const name of JWK_TEXTS) {
    const text = given[name];
    if (text !== undefined) jwk[name] = `${text}`;
  }
  if (given.ext !== undefined) jwk.ext = Boolean(given.ext);
  if (given.key_ops !== undefined) jwk.key_ops = [...(given.key_ops as Iterable<unknown>)].map((each) => `${each}`);
  if (given.oth !== undefined) jwk.oth = true;
  return jwk;
}

function need(given: { readonly length: number }, count: number, method: string): void {
  if (given.length >= count) return;
  throw new TypeError(`Failed to execute '${method}' on 'SubtleCrypto': ${count} arguments required`);
}

function bytesOf({ body }: CryptoReply): ArrayBuffer {
  return decodeLatin1(body).buffer;
}

function keysOf({ head }: CryptoReply): CryptoKey[] {
  return (head.keys as KeyDetails[]).map(makeKey);
}

function onlyKey(reply: CryptoReply): CryptoKey {
  return keysOf(reply)[0] as CryptoKey;
}

/** What may be done with `algorithm`, `key` and `data`. */
async function withKey(
  op: 'encrypt' | 'decrypt' | 'sign' | 'verify',
  algorithm: unknown,
  key: unknown,
  data: readonly unknown[],
): Promise<CryptoReply> {
  const request = new CryptoRequest();
  // Kinds first, then what a getter of the algorithm may still change (Web IDL before the method's own steps).
  const sealed = keyText(key, 'The key');
  const views = data.map((each) => bytesFrom(each, 'The data'));
  const normal = normalize(op, algorithm, request);
  const parts = views.map((_, at) => request.bytes(bytesFrom(data[at], 'The data')));
  const [first, second] = parts;
  const fields = second === undefined ? { data: first } : { signature: first, data: second };
  return request.later(op, { algorithm: normal, key: sealed, ...fields });
}

/**
 * `SubtleCrypto` of the Web Cryptography API. It converts what it is given, as Web IDL says; all the rest is done by the
 * process that holds the isolate, which checks it again.
 */
export class SubtleCrypto {
  readonly #isReal = true;

  constructor(...given: readonly unknown[]) {
    if (given[0] !== INTERNAL) throw new TypeError('Illegal constructor');
  }

  async encrypt(algorithm: unknown, key: unknown, data: unknown): Promise<ArrayBuffer> {
    this.#begin(arguments, 3, 'encrypt');
    return bytesOf(await withKey('encrypt', algorithm, key, [data]));
  }

  async decrypt(algorithm: unknown, key: unknown, data: unknown): Promise<ArrayBuffer> {
    this.#begin(arguments, 3, 'decrypt');
    return bytesOf(await withKey('decrypt', algorithm, key, [data]));
  }

  async sign(algorithm: unknown, key: unknown, data: unknown): Promise<ArrayBuffer> {
    this.#begin(arguments, 3, 'sign');
    return bytesOf(await withKey('sign', algorithm, key, [data]));
  }

  async verify(algorithm: unknown, key: unknown, signature: unknown, data: unknown): Promise<boolean> {
    this.#begin(arguments, 4, 'verify');
    return (await withKey('verify', algorithm, key, [signature, data])).head.value === true;
  }

  async digest(algorithm: unknown, data: unknown): Promise<ArrayBuffer> {
    this.#begin(arguments, 2, 'digest');
    const request = new CryptoRequest();
    bytesFrom(data, 'The data');
    const normal = normalize('digest', algorithm, request);
    return bytesOf(
      await request.later('digest', { algorithm: normal, data: request.bytes(bytesFrom(data, 'The data')) }),
    );
  }

  async generateKey(
    algorithm: unknown,
    extractable: unknown,
    keyUsages: unknown,
  ): Promise<CryptoKey | { publicKey: CryptoKey; privateKey: CryptoKey }> {
    this.#begin(arguments, 3, 'generateKey');
    const request = new CryptoRequest();
    const usages = usagesFrom(keyUsages);
    const normal = normalize('generateKey', algorithm, request);
    const reply = await request.later('generateKey', { algorithm: normal, extractable: Boolean(extractable), usages });
    const [first, second] = keysOf(reply) as [CryptoKey, CryptoKey?];
    return second === undefined ? first : { privateKey: second, publicKey: first };
  }

  async importKey(
    format: unknown,
    keyData: unknown,
    algorithm: unknown,
    extractable: unknown,
    keyUsages: unknown,
  ): Promise<CryptoKey> {
    this.#begin(arguments, 5, 'importKey');
    const request = new CryptoRequest();
    const form = oneOf(FORMATS, format, 'key format');
    const usages = usagesFrom(keyUsages);
    const jwk = form === 'jwk' ? jwkFrom(keyData) : undefined;
    if (jwk === undefined) bytesFrom(keyData, 'The key');
    const normal = normalize('importKey', algorithm, request);
    const material = jwk === undefined ? { data: request.bytes(bytesFrom(keyData, 'The key')) } : { jwk };
    const fields = { format: form, ...material, algorithm: normal, extractable: Boolean(extractable), usages };
    return onlyKey(await request.later('importKey', fields));
  }

  async exportKey(format: unknown, key: unknown): Promise<unknown> {
    this.#begin(arguments, 2, 'exportKey');
    const fields = { format: oneOf(FORMATS, format, 'key format'), key: keyText(key, 'The key') };
    const reply = await new CryptoRequest().later('exportKey', fields);
    return reply.head.jwk ?? bytesOf(reply);
  }

  async deriveBits(algorithm: unknown, baseKey: unknown, length: unknown = null): Promise<ArrayBuffer> {
    this.#begin(arguments, 2, 'deriveBits');
    const request = new CryptoRequest();
    const key = keyText(baseKey, 'The base key');
    const bits = length === null || length === undefined ? null : Number(length) >>> 0;
    const normal = normalize('deriveBits', algorithm, request);
    return bytesOf(await request.later('deriveBits', { algorithm: normal, key, length: bits }));
  }

  async deriveKey(
    algorithm: unknown,
    baseKey: unknown,
    derivedKeyType: unknown,
    extractable: unknown,
    keyUsages: unknown,
  ): Promise<CryptoKey> {
    this.#begin(arguments, 5, 'deriveKey');
    const request = new CryptoRequest();
    const key = keyText(baseKey, 'The base key');
    const usages = usagesFrom(keyUsages);
    const normal = normalize('deriveBits', algorithm, request);
    const imported = normalize('importKey', derivedKeyType, request);
    const target = bare({ ...imported, ...normalize('keyLength', derivedKeyType, request) });
    const fields = { algorithm: normal, key, target, extractable: Boolean(extractable), usages };
    return onlyKey(await request.later('deriveKey', fields));
  }

  async wrapKey(format: unknown, key: unknown, wrappingKey: unknown, wrapAlgorithm: unknown): Promise<ArrayBuffer> {
    this.#begin(arguments, 4, 'wrapKey');
    const request = new CryptoRequest();
    const form = oneOf(FORMATS, format, 'key format');
    const fields = { format: form, key: keyText(key, 'The key'), wrapping: keyText(wrappingKey, 'The wrapping key') };
    const normal = normalize('wrapKey', wrapAlgorithm, request);
    return bytesOf(await request.later('wrapKey', { ...fields, algorithm: normal }));
  }

  async unwrapKey(
    format: unknown,
    wrappedKey: unknown,
    unwrappingKey: unknown,
    unwrapAlgorithm: unknown,
    unwrappedKeyAlgorithm: unknown,
    extractable: unknown,
    keyUsages: unknown,
  ): Promise<CryptoKey> {
    this.#begin(arguments, 7, 'unwrapKey');
    const request = new CryptoRequest();
    const form = oneOf(FORMATS, format, 'key format');
    bytesFrom(wrappedKey, 'The wrapped key');
    const key = keyText(unwrappingKey, 'The unwrapping key');
    const usages = usagesFrom(keyUsages);
    const normal = normalize('unwrapKey', unwrapAlgorithm, request);
    const target = normalize('importKey', unwrappedKeyAlgorithm, request);
    const data = request.bytes(bytesFrom(wrappedKey, 'The wrapped key'));
    const fields = { format: form, key, data, algorithm: normal, target, extractable: Boolean(extractable), usages };
    return onlyKey(await request.later('unwrapKey', fields));
  }

  /** What Web IDL asks of every method. @throws TypeError */
  #begin(given: { readonly length: number }, count: number, method: string): void {
    if (!this.#isReal) throw new TypeError('Illegal invocation');
    need(given, count, method);
  }
}
exposeInterface(SubtleCrypto, 'SubtleCrypto');

export const subtle = new SubtleCrypto(INTERNAL);
