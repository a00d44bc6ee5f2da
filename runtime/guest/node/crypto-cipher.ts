import {
  Buffer,
  bare,
  bytesOf,
  type Data,
  type Fields,
  HostStream,
  latin1Of,
  nodeError,
  output,
} from './crypto-host.ts';
import { keySpec } from './crypto-keys.ts';
import { alsoStream } from './crypto-streams.ts';

const AUTHENTICATED = /gcm|ccm|ocb|poly1305/i;

interface CipherOptions {
  readonly authTagLength?: number;
}

abstract class Cipher {
  readonly #stream: HostStream;
  readonly #settings: { noPadding?: true; aad?: Uint8Array; plaintextLength?: number; tag?: Uint8Array } = {};
  /** A tag that came after the cipher was made. */
  #lateTag: Uint8Array | null = null;
  #begun = false;
  #done = false;
  protected readonly authenticated: boolean;

  constructor(kind: 'cipher' | 'decipher', algorithm: string, key: unknown, iv: Data | null, options: CipherOptions) {
    const spec = keySpec(key, 'secret');
    const ivBytes = iv === null ? null : Buffer.from(bytesOf(iv, 'iv'));
    const settings = this.#settings;
    this.authenticated = AUTHENTICATED.test(algorithm);
    this.#stream = new HostStream((request) => ({
      kind,
      algorithm: `${algorithm}`,
      key: bare(spec(request)),
      iv: ivBytes === null ? null : request.bytes(ivBytes),
      authTagLength: options.authTagLength ?? null,
      noPadding: settings.noPadding ?? false,
      plaintextLength: settings.plaintextLength ?? null,
      aad: settings.aad === undefined ? null : request.bytes(settings.aad),
      tag: settings.tag === undefined ? null : request.bytes(settings.tag),
    }));
  }

  update(data: Data, inputEncoding?: string, outputEncoding?: string): string | Buffer {
    if (this.#done) throw nodeError(new Error('Unsupported state'), 'ERR_CRYPTO_INVALID_STATE');
    this.#begun = true;
    return output(this.#stream.through(latin1Of(data, 'data', inputEncoding)), outputEncoding);
  }

  setAutoPadding(autoPadding = true): this {
    this.#assertNew('setAutoPadding');
    if (autoPadding) delete this.#settings.noPadding;
    else this.#settings.noPadding = true;
    return this;
  }

  setAAD(buffer: Data, options: { plaintextLength?: number; encoding?: string } = {}): this {
    this.#assertNew('setAAD');
    const bytes = Buffer.from(bytesOf(buffer, 'buffer', options.encoding));
    const before = this.#settings.aad;
    this.#settings.aad = before === undefined ? bytes : Buffer.concat([before, bytes]);
    if (options.plaintextLength !== undefined) this.#settings.plaintextLength = options.plaintextLength;
    return this;
  }

  protected useTag(tag: Uint8Array): void {
    if (this.#done) throw nodeError(new Error('Invalid state for operation setAuthTag'), 'ERR_CRYPTO_INVALID_STATE');
    if (this.#begun) this.#lateTag = tag;
    else this.#settings.tag = tag;
  }

  protected last(): { readonly head: Fields; readonly body: string } {
    if (this.#done) throw nodeError(new Error('Unsupported state'), 'ERR_CRYPTO_INVALID_STATE');
    this.#done = true;
    const tag = this.#lateTag;
    return this.#stream.finish((request) => ({
      wantsTag: this.authenticated,
      tag: tag === null ? null : request.bytes(tag),
    }));
  }

  #assertNew(operation: string): void {
    if (!this.#begun && !this.#done) return;
    throw nodeError(new Error(`Invalid state for operation ${operation}`), 'ERR_CRYPTO_INVALID_STATE');
  }
}

/** `crypto.Cipheriv`. */
export class Cipheriv extends Cipher {
  #tag: Buffer | null = null;

  constructor(algorithm: string, key: unknown, iv: Data | null, options: CipherOptions = {}) {
    super('cipher', algorithm, key, iv, options);
  }

  final(outputEncoding?: string): string | Buffer {
    const { head, body } = this.last();
    if (typeof head.tag === 'string') this.#tag = Buffer.from(head.tag, 'latin1');
    return output(body, outputEncoding);
  }

  getAuthTag(): Buffer {
    if (this.#tag !== null) return this.#tag;
    throw nodeError(new Error('Invalid state for operation getAuthTag'), 'ERR_CRYPTO_INVALID_STATE');
  }
}

/** `crypto.Decipheriv`. */
export class Decipheriv extends Cipher {
  constructor(algorithm: string, key: unknown, iv: Data | null, options: CipherOptions = {}) {
    super('decipher', algorithm, key, iv, options);
  }

  final(outputEncoding?: string): string | Buffer {
    return output(this.last().body, outputEncoding);
  }

  setAuthTag(tag: Data, encoding?: string): this {
    this.useTag(Buffer.from(bytesOf(tag, 'tag', encoding)));
    return this;
  }
}
alsoStream(Cipher.prototype, (cipher: Cipheriv | Decipheriv) => cipher.final());

export function createCipheriv(algorithm: string, key: unknown, iv: Data | null, options?: CipherOptions): Cipheriv {
  return new Cipheriv(algorithm, key, iv, options);
}

export function createDecipheriv(
  algorithm: string,
  key: unknown,
  iv: Data | null,
  options?: CipherOptions,
): Decipheriv {
  return new Decipheriv(algorithm, key, iv, options);
}
