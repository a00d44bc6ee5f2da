import { digestName } from './crypto-hash.ts';
import {
  assertCallback,
  type Buffer,
  bare,
  bytesOf,
  CryptoRequest,
  callBack,
  type Data,
  type Fields,
  HostStream,
  latin1Of,
  output,
} from './crypto-host.ts';
import { keySpec } from './crypto-keys.ts';
import { alsoStream } from './crypto-streams.ts';

interface SignOptions {
  readonly padding?: number;
  readonly saltLength?: number;
  readonly dsaEncoding?: string;
}

/** How it is signed, which stands beside the key. */
function signFields(key: unknown): Fields {
  if (typeof key !== 'object' || key === null) return {};
  const { padding, saltLength, dsaEncoding } = key as SignOptions;
  return {
    ...(padding === undefined ? {} : { padding }),
    // Some are negative: those for "as long as the digest" and the like.
    ...(saltLength === undefined ? {} : { saltLength: saltLength + 2 }),
    ...(dsaEncoding === 'ieee-p1363' ? { p1363: true } : {}),
  };
}

abstract class Signing {
  protected readonly stream: HostStream;

  constructor(kind: 'sign' | 'verify', given: string) {
    const algorithm = digestName(given);
    this.stream = new HostStream(() => ({ kind, algorithm }));
  }

  update(data: Data, inputEncoding?: string): this {
    this.stream.push(latin1Of(data, 'data', inputEncoding));
    return this;
  }
}
alsoStream(Signing.prototype, () => undefined);

/** `crypto.Sign`. */
export class Sign extends Signing {
  constructor(algorithm: string) {
    super('sign', algorithm);
  }

  sign(privateKey: unknown, outputEncoding?: string): string | Buffer {
    const spec = keySpec(privateKey, 'private');
    const { body } = this.stream.finish((request) => ({ key: bare(spec(request)), ...signFields(privateKey) }));
    return output(body, outputEncoding);
  }
}

/** `crypto.Verify`. */
export class Verify extends Signing {
  constructor(algorithm: string) {
    super('verify', algorithm);
  }

  verify(key: unknown, signature: Data, signatureEncoding?: string): boolean {
    const spec = keySpec(key, 'public');
    const bytes = bytesOf(signature, 'signature', signatureEncoding);
    const { head } = this.stream.finish((request) => ({
      key: bare(spec(request)),
      signature: request.bytes(bytes),
      ...signFields(key),
    }));
    return head.value === true;
  }
}

export function createSign(algorithm: string): Sign {
  return new Sign(algorithm);
}

export function createVerify(algorithm: string): Verify {
  return new Verify(algorithm);
}

function onceFields(request: CryptoRequest, algorithm: unknown, data: Data, key: unknown, type: 'private' | 'public') {
  return {
    ...(algorithm === null || algorithm === undefined ? {} : { algorithm: digestName(algorithm) }),
    data: request.bytes(bytesOf(data, 'data')),
    key: bare(keySpec(key, type)(request)),
    ...signFields(key),
  };
}

function signNow(algorithm: unknown, data: Data, key: unknown): Buffer {
  const request = new CryptoRequest();
  return output(request.now('sign', onceFields(request, algorithm, data, key, 'private')).body) as Buffer;
}

function verifyNow(algorithm: unknown, data: Data, key: unknown, signature: Data): boolean {
  const request = new CryptoRequest();
  const fields = onceFields(request, algorithm, data, key, 'public');
  const bytes = request.bytes(bytesOf(signature, 'signature'));
  return request.now('verify', { ...fields, signature: bytes }).head.value === true;
}

/** `crypto.sign`; a callback is called later, the work is done at once. */
export function sign(algorithm: unknown, data: Data, key: unknown, callback?: unknown): Buffer | undefined {
  if (callback === undefined) return signNow(algorithm, data, key);
  assertCallback<Buffer>(callback);
  callBack(new Promise<Buffer[]>((resolve) => resolve([signNow(algorithm, data, key)])), callback);
  return undefined;
}

/** `crypto.verify`; a callback is called later, the work is done at once. */
export function verify(
  algorithm: unknown,
  data: Data,
  key: unknown,
  signature: Data,
  callback?: unknown,
): boolean | undefined {
  if (callback === undefined) return verifyNow(algorithm, data, key, signature);
  assertCallback<boolean>(callback);
  callBack(new Promise<boolean[]>((resolve) => resolve([verifyNow(algorithm, data, key, signature)])), callback);
  return undefined;
}

interface RsaOptions {
  readonly padding?: number;
  readonly oaepHash?: string;
  readonly oaepLabel?: Data;
}

function rsa(way: string, type: 'private' | 'public', key: unknown, data: Data): Buffer {
  const request = new CryptoRequest();
  const { padding, oaepHash, oaepLabel }: RsaOptions =
    typeof key === 'object' && key !== null ? (key as RsaOptions) : {};
  const { body } = request.now('rsa', {
    way,
    key: bare(keySpec(key, type)(request)),
    data: request.bytes(bytesOf(data, 'buffer')),
    ...(padding === undefined ? {} : { padding }),
    ...(oaepHash === undefined ? {} : { oaepHash: digestName(oaepHash) }),
    ...(oaepLabel === undefined ? {} : { oaepLabel: request.bytes(bytesOf(oaepLabel, 'oaepLabel')) }),
  });
  return output(body) as Buffer;
}

export function publicEncrypt(key: unknown, data: Data): Buffer {
  return rsa('publicEncrypt', 'public', key, data);
}

export function publicDecrypt(key: unknown, data: Data): Buffer {
  return rsa('publicDecrypt', 'public', key, data);
}

export function privateEncrypt(key: unknown, data: Data): Buffer {
  return rsa('privateEncrypt', 'private', key, data);
}

export function privateDecrypt(key: unknown, data: Data): Buffer {
  return rsa('privateDecrypt', 'private', key, data);
}

export function diffieHellman({ privateKey, publicKey }: { privateKey: unknown; publicKey: unknown }): Buffer {
  const request = new CryptoRequest();
  const key = bare(keySpec(privateKey, 'private')(request));
  const other = bare(keySpec(publicKey, 'public')(request));
  return output(request.now('diffieHellman', { key, other }).body) as Buffer;
}
