import {
  generateKeyPair,
  generateKeyPairSync,
  hkdf,
  hkdfSync,
  type KeyObject,
  pbkdf2,
  pbkdf2Sync,
  scrypt,
  scryptSync,
} from 'node:crypto';
import { assertDerivedBytes, assertRsa } from './algorithms.ts';
import { Refusal } from './errors.ts';
import type { Keyring } from './keyring.ts';
import { CRYPTO_LIMITS } from './limits.ts';
import { describeNode } from './node-keys.ts';
import { derivingHash } from './node-names.ts';
import { type Answer, answerOf } from './operation.ts';
import type { Request } from './request.ts';

const UINT32 = 0xffff_ffff;

type Pbkdf2 = [password: Buffer, salt: Buffer, iterations: number, length: number, digest: string];

function pbkdf2Arguments(request: Request, maxRounds: number): Pbkdf2 {
  const { digest, bytes } = derivingHash(request.text('digest', 30));
  const iterations = request.integer('iterations', UINT32);
  const length = lengthOf(request);
  if (iterations * Math.ceil(length / bytes) > maxRounds) {
    const more = maxRounds < CRYPTO_LIMITS.pbkdf2Rounds ? ': use pbkdf2, which may take more' : '';
    const message = `PBKDF2 may take ${maxRounds} rounds (iterations for each block of output) here${more}`;
    throw new Refusal('RangeError', message, 'ERR_OUT_OF_RANGE');
  }
  return [request.bytes('password'), request.bytes('salt'), iterations, length, digest];
}

function lengthOf(request: Request): number {
  const length = request.integer('length', UINT32);
  assertDerivedBytes(length);
  return length;
}

type Scrypt = [
  password: Buffer,
  salt: Buffer,
  length: number,
  options: { N: number; r: number; p: number; maxmem: number },
];

function scryptArguments(request: Request, limit: { readonly bytes: number; readonly parallel: number }): Scrypt {
  const N = request.integer('N', UINT32);
  const r = request.integer('r', UINT32);
  const p = request.integer('p', UINT32);
  if (128 * N * r > limit.bytes || p > limit.parallel) {
    throw new Refusal(
      'RangeError',
      `Invalid scrypt params: 128 N r is at most ${limit.bytes} here, and p at most ${limit.parallel}`,
      'ERR_CRYPTO_INVALID_SCRYPT_PARAMS',
    );
  }
  // Room for what it needs beside its table, 128 r p and some.
  const maxmem = limit.bytes * 2;
  return [request.bytes('password'), request.bytes('salt'), lengthOf(request), { N, r, p, maxmem }];
}

type Hkdf = [digest: string, key: Buffer, salt: Buffer, info: Buffer, length: number];

function hkdfArguments(request: Request): Hkdf {
  const { digest } = derivingHash(request.text('digest', 30));
  return [digest, request.bytes('password'), request.bytes('salt'), request.bytes('info'), lengthOf(request)];
}

/** On the main thread, with its small limits. */
export const deriveNow = {
  pbkdf2: (request: Request) => answerOf(pbkdf2Sync(...pbkdf2Arguments(request, CRYPTO_LIMITS.pbkdf2RoundsNow))),
  scrypt: (request: Request) => answerOf(scryptSync(...scryptArguments(request, CRYPTO_LIMITS.scryptNow))),
  hkdf: (request: Request) => answerOf(hkdfSync(...hkdfArguments(request))),
} as const;

type Callback<T> = (error: Error | null, value: T) => void;

/** Not of `node:util`: importing that opens standard streams, and with them a descriptor that nobody was given. */
function settled<T>(start: (done: Callback<T>) => void): Promise<T> {
  const { promise, resolve, reject } = Promise.withResolvers<T>();
  start((error, value) => (error === null ? resolve(value) : reject(error)));
  return promise;
}

/** On a thread of libuv's. */
export const deriveLater = {
  pbkdf2: async (request: Request) => {
    const given = pbkdf2Arguments(request, CRYPTO_LIMITS.pbkdf2Rounds);
    return answerOf(await settled<Buffer>((done) => pbkdf2(...given, done)));
  },
  scrypt: async (request: Request) => {
    const given = scryptArguments(request, CRYPTO_LIMITS.scrypt);
    return answerOf(await settled<Buffer>((done) => scrypt(...given, done)));
  },
  hkdf: async (request: Request) => {
    const given = hkdfArguments(request);
    return answerOf(await settled<ArrayBuffer>((done) => hkdf(...given, done)));
  },
} as const;

/** Curves by the names that Node and OpenSSL have for them. */
const CURVES: ReadonlyMap<string, string> = new Map([
  ['P-256', 'P-256'],
  ['prime256v1', 'P-256'],
  ['secp256r1', 'P-256'],
  ['P-384', 'P-384'],
  ['secp384r1', 'P-384'],
  ['P-521', 'P-521'],
  ['secp521r1', 'P-521'],
  ['secp256k1', 'secp256k1'],
]);

interface Pair {
  readonly publicKey: KeyObject;
  readonly privateKey: KeyObject;
}

function pairAnswer({ publicKey, privateKey }: Pair, keys: Keyring): Answer {
  return { head: { keys: [describeNode(publicKey, keys), describeNode(privateKey, keys)] }, body: null };
}

function curveOf(request: Request): string {
  const curve = CURVES.get(request.text('namedCurve', 30));
  if (curve === undefined) throw new Refusal('TypeError', 'Invalid EC curve name', 'ERR_CRYPTO_INVALID_CURVE');
  return curve;
}

/** `generateKeyPairSync`, for the kinds that take a moment only. */
export function pairNow(request: Request, keys: Keyring): Answer {
  const type = request.text('type', 10);
  switch (type) {
    case 'ec':
      return pairAnswer(generateKeyPairSync('ec', { namedCurve: curveOf(request) }), keys);
    case 'ed25519':
      return pairAnswer(generateKeyPairSync('ed25519'), keys);
    case 'x25519':
      return pairAnswer(generateKeyPairSync('x25519'), keys);
    case 'rsa':
    case 'rsa-pss':
      throw new Refusal(
        'Error',
        'RSA keys take too long to be made synchronously: use generateKeyPair',
        'ERR_CRYPTO_UNSUPPORTED_OPERATION',
      );
    default:
      throw new Refusal('TypeError', 'Unknown type of key', 'ERR_INVALID_ARG_VALUE');
  }
}

/** `generateKeyPair`. */
export async function pairLater(request: Request, keys: Keyring): Promise<Answer> {
  const type = request.text('type', 10);
  if (type !== 'rsa' && type !== 'rsa-pss') return pairNow(request, keys);
  const modulusLength = request.integer('modulusLength', UINT32);
  const publicExponent = request.has('publicExponent') ? request.integer('publicExponent', UINT32) : 65_537;
  const exponent = Buffer.alloc(4);
  exponent.writeUInt32BE(publicExponent);
  assertRsa(modulusLength, exponent);
  const options = { modulusLength, publicExponent };
  const pair = await new Promise<Pair>((resolve, reject) => {
    const done = (error: Error | null, publicKey: KeyObject, privateKey: KeyObject): void =>
      error === null ? resolve({ publicKey, privateKey }) : reject(error);
    if (type === 'rsa') generateKeyPair('rsa', options, done);
    else generateKeyPair('rsa-pss', options, done);
  });
  return pairAnswer(pair, keys);
}

/** Whether a derivation has to wait with the slow ones. @throws Refusal when the request is not as it should be */
export function isSlow(request: Request): boolean {
  switch (request.op) {
    case 'scrypt':
      return true;
    case 'pbkdf2':
      return request.integer('iterations', UINT32) > CRYPTO_LIMITS.pbkdf2RoundsLight;
    case 'generateKeyPair':
      return request.text('type', 10).startsWith('rsa');
    case 'generateKey':
    case 'deriveBits':
    case 'deriveKey':
      return isSlowAlgorithm(request.inner('algorithm'));
    default:
      return false;
  }
}

function isSlowAlgorithm(algorithm: Request): boolean {
  if (algorithm.has('modulusLength')) return true;
  if (!algorithm.has('iterations')) return false;
  return algorithm.integer('iterations', UINT32) > CRYPTO_LIMITS.pbkdf2RoundsLight;
}
