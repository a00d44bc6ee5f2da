import {
  type Buffer,
  bare,
  type Data,
  HostStream,
  hostNames,
  latin1Of,
  nodeError,
  output,
  type Spec,
} from './crypto-host.ts';
import { keySpec } from './crypto-keys.ts';
import { alsoStream } from './crypto-streams.ts';

/** Nobody asks the host whether it knows these. */
const COMMON: ReadonlySet<string> = new Set(['md5', 'sha1', 'sha224', 'sha256', 'sha384', 'sha512']);

/** @throws Error as Node does for a digest that it does not know */
export function digestName(name: unknown): string {
  const lower = `${name}`.toLowerCase();
  if (COMMON.has(lower) || hostNames().hashes.some((known) => known.toLowerCase() === lower)) return lower;
  throw nodeError(new Error('Digest method not supported'), 'ERR_OSSL_EVP_UNSUPPORTED');
}

abstract class Digest {
  #stream: HostStream;
  #done = false;

  constructor(stream: HostStream) {
    this.#stream = stream;
  }

  update(data: Data, inputEncoding?: string): this {
    this.assertOpen();
    this.#stream.push(latin1Of(data, 'data', inputEncoding));
    return this;
  }

  digest(outputEncoding?: string): string | Buffer {
    this.assertOpen();
    this.#done = true;
    return output(this.#stream.finish().body, outputEncoding);
  }

  /** @throws Error ERR_CRYPTO_HASH_FINALIZED */
  protected assertOpen(): void {
    if (this.#done) throw nodeError(new Error('Digest already called'), 'ERR_CRYPTO_HASH_FINALIZED');
  }

  protected copyStream(): HostStream {
    this.assertOpen();
    return this.#stream.copy();
  }
}

/** `crypto.Hash`. */
export class Hash extends Digest {
  constructor(algorithm: string | HostStream, options: { outputLength?: number } = {}) {
    super(typeof algorithm === 'string' ? new HostStream(hashSpec(algorithm, options)) : algorithm);
  }

  copy(): Hash {
    return new Hash(this.copyStream());
  }
}

function hashSpec(given: string, { outputLength }: { outputLength?: number }): Spec {
  const algorithm = digestName(given);
  return () => ({ kind: 'hash', algorithm, ...(outputLength === undefined ? {} : { outputLength }) });
}

/** `crypto.Hmac`. */
export class Hmac extends Digest {
  constructor(hmac: string, key: unknown) {
    const algorithm = digestName(hmac);
    const spec = keySpec(key, 'secret');
    super(new HostStream((request) => ({ kind: 'hmac', algorithm, key: bare(spec(request)) })));
  }
}
alsoStream(Digest.prototype, (digest: Digest) => digest.digest());

export function createHash(algorithm: string, options?: { outputLength?: number }): Hash {
  return new Hash(`${algorithm}`, options ?? {});
}

export function createHmac(hmac: string, key: unknown): Hmac {
  return new Hmac(hmac, key);
}

/** `crypto.hash`: in one go; in hex unless said otherwise. */
export function hash(
  algorithm: string,
  data: Data,
  options: string | { outputEncoding?: string; outputLength?: number } = 'hex',
): string | Buffer {
  const { outputEncoding = 'hex', ...rest } = typeof options === 'string' ? { outputEncoding: options } : options;
  return createHash(algorithm, rest).update(data).digest(outputEncoding);
}
