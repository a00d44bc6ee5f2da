import {
  createCipheriv,
  createDecipheriv,
  createPrivateKey,
  createPublicKey,
  createSecretKey,
  type KeyObject,
  randomBytes,
  webcrypto,
} from 'node:crypto';
import { KDF_NAMES } from './algorithms.ts';
import { Refusal } from './errors.ts';
import { CRYPTO_LIMITS } from './limits.ts';

/** `algorithm` of a CryptoKey, as JSON. */
export interface KeyAlgorithm {
  readonly name: string;
  readonly length?: number;
  readonly hash?: { readonly name: string };
  readonly namedCurve?: string;
  readonly modulusLength?: number;
  readonly publicExponent?: readonly number[];
}

/** A key in the clear: never outside of this process. */
export interface KeyRecord {
  readonly type: webcrypto.KeyType;
  readonly format: 'raw' | 'spki' | 'pkcs8';
  readonly material: Buffer;
  /** Null for a key of `node:crypto`, which may do and give what any key of its kind can. */
  readonly web: {
    readonly algorithm: KeyAlgorithm;
    readonly extractable: boolean;
    readonly usages: readonly webcrypto.KeyUsage[];
  } | null;
}

const CIPHER = 'aes-256-gcm';
const IV_BYTES = 12;
const TAG_BYTES = 16;

const SECRET = ['encrypt', 'decrypt', 'wrapKey', 'unwrapKey'] as const;
/** What a key can do by its algorithm and type. The rights of the guest's key are in its record, and checked by us. */
const ABILITIES: ReadonlyMap<string, Readonly<Record<webcrypto.KeyType, readonly webcrypto.KeyUsage[]>>> = new Map(
  Object.entries({
    'AES-CBC': { secret: SECRET, public: [], private: [] },
    'AES-CTR': { secret: SECRET, public: [], private: [] },
    'AES-GCM': { secret: SECRET, public: [], private: [] },
    'AES-KW': { secret: ['wrapKey', 'unwrapKey'], public: [], private: [] },
    ECDH: { secret: [], public: [], private: ['deriveKey', 'deriveBits'] },
    ECDSA: { secret: [], public: ['verify'], private: ['sign'] },
    Ed25519: { secret: [], public: ['verify'], private: ['sign'] },
    Ed448: { secret: [], public: ['verify'], private: ['sign'] },
    HKDF: { secret: ['deriveKey', 'deriveBits'], public: [], private: [] },
    HMAC: { secret: ['sign', 'verify'], public: [], private: [] },
    PBKDF2: { secret: ['deriveKey', 'deriveBits'], public: [], private: [] },
    'RSA-OAEP': { secret: [], public: ['encrypt', 'wrapKey'], private: ['decrypt', 'unwrapKey'] },
    'RSA-PSS': { secret: [], public: ['verify'], private: ['sign'] },
    'RSASSA-PKCS1-v1_5': { secret: [], public: ['verify'], private: ['sign'] },
    X25519: { secret: [], public: [], private: ['deriveKey', 'deriveBits'] },
    X448: { secret: [], public: [], private: ['deriveKey', 'deriveBits'] },
  }),
);

/** An opened key, with Node's own objects of it once they were needed. */
export class OpenKey {
  readonly record: KeyRecord;
  #cryptoKey: Promise<webcrypto.CryptoKey> | null = null;
  #keyObject: KeyObject | null = null;

  constructor(record: KeyRecord) {
    this.record = record;
  }

  /** As the Web Cryptography API has it, able to do all that its algorithm can. */
  cryptoKey(): Promise<webcrypto.CryptoKey> {
    this.#cryptoKey ??= this.#import();
    return this.#cryptoKey;
  }

  async #import(): Promise<webcrypto.CryptoKey> {
    const { web, format, material, type } = this.record;
    const abilities = web === null ? undefined : ABILITIES.get(web.algorithm.name)?.[type];
    if (web === null || abilities === undefined) throw new Refusal('InvalidAccessError', 'The key is no CryptoKey');
    const { name, hash, namedCurve, length } = web.algorithm;
    const algorithm = {
      name,
      ...(hash === undefined ? {} : { hash: hash.name }),
      ...(namedCurve === undefined ? {} : { namedCurve }),
      ...(length === undefined ? {} : { length }),
    };
    return webcrypto.subtle.importKey(format, material, algorithm, !KDF_NAMES.has(name), [...abilities]);
  }

  /** As `node:crypto` has it. */
  keyObject(): KeyObject {
    if (this.#keyObject !== null) return this.#keyObject;
    const { type, format, material } = this.record;
    if (type === 'secret') this.#keyObject = createSecretKey(material);
    else if (format === 'pkcs8') this.#keyObject = createPrivateKey({ key: material, format: 'der', type: 'pkcs8' });
    else if (format === 'spki') this.#keyObject = createPublicKey({ key: material, format: 'der', type: 'spki' });
    else throw new Refusal('InvalidAccessError', 'The key cannot be used here');
    return this.#keyObject;
  }
}

/**
 * The keys of one isolate. The guest holds each of its keys sealed: encrypted and signed with a secret of this process
 * that is made for the isolate and forgotten with it. So its garbage collector decides how long a key lives, there is
 * nothing to leak here, and what the guest holds is of no use to it, nor to another isolate.
 */
export class Keyring {
  readonly #secret = randomBytes(32);
  /** Those used last, by their sealed text. */
  readonly #open = new Map<string, OpenKey>();

  /** A text that only this keyring opens. */
  seal(record: KeyRecord): string {
    const { material, ...rest } = record;
    const iv = randomBytes(IV_BYTES);
    const cipher = createCipheriv(CIPHER, this.#secret, iv);
    const head = Buffer.from(JSON.stringify(rest));
    const length = Buffer.alloc(4);
    length.writeUInt32LE(head.length);
    const parts = [iv, cipher.update(Buffer.concat([length, head, material])), cipher.final(), cipher.getAuthTag()];
    return Buffer.concat(parts).toString('base64');
  }

  /** @throws Refusal InvalidAccessError for a text that this keyring has not sealed */
  open(sealed: string): OpenKey {
    const known = this.#open.get(sealed);
    const key = known ?? new OpenKey(this.#unseal(sealed));
    // The one used last is the last to go.
    if (known !== undefined) this.#open.delete(sealed);
    this.#open.set(sealed, key);
    const [oldest] = this.#open.keys();
    if (this.#open.size > CRYPTO_LIMITS.openKeys && oldest !== undefined) this.#open.delete(oldest);
    return key;
  }

  #unseal(sealed: string): KeyRecord {
    const bytes = Buffer.from(sealed, 'base64');
    try {
      const decipher = createDecipheriv(CIPHER, this.#secret, bytes.subarray(0, IV_BYTES), {
        authTagLength: TAG_BYTES,
      });
      decipher.setAuthTag(bytes.subarray(-TAG_BYTES));
      const clear = Buffer.concat([decipher.update(bytes.subarray(IV_BYTES, -TAG_BYTES)), decipher.final()]);
      const end = 4 + clear.readUInt32LE(0);
      const rest = JSON.parse(clear.toString('utf8', 4, end)) as Omit<KeyRecord, 'material'>;
      return { ...rest, material: clear.subarray(end) };
    } catch {
      throw new Refusal('InvalidAccessError', 'The key is not of this isolate');
    }
  }
}

/** What a guest is told of a key. */
export function describe(record: KeyRecord, keys: Keyring): Readonly<Record<string, unknown>> {
  return { type: record.type, ...record.web, sealed: keys.seal(record) };
}
