import { keyText } from '../web/lazy/subtle.ts';
import {
  assertCallback,
  Buffer,
  bare,
  bytesOf,
  CryptoRequest,
  callBack,
  type Fields,
  nodeError,
  output,
  type Spec,
} from './crypto-host.ts';

/** A key as the host tells of it. */
interface Details {
  readonly type: 'secret' | 'private' | 'public';
  readonly sealed: string;
  readonly symmetricKeySize?: number;
  readonly asymmetricKeyType?: string;
  readonly asymmetricKeyDetails?: Readonly<Record<string, unknown>>;
  readonly publicExponent?: string;
}

interface ExportOptions {
  readonly format?: string;
  readonly type?: string;
  readonly cipher?: string;
  readonly passphrase?: unknown;
}

/** The sealed text of a KeyObject; null for anything else. */
let sealedOf: (value: unknown) => string | null;
const TOKEN = Symbol('token');

/** `crypto.KeyObject`: what a guest may know of a key; the key itself is with the host. */
export class KeyObject {
  readonly #details: Details;

  constructor(token: unknown, details: unknown) {
    if (token !== TOKEN) throw nodeError(new TypeError('Illegal constructor'), 'ERR_ILLEGAL_CONSTRUCTOR');
    this.#details = details as Details;
  }

  static {
    sealedOf = (value) =>
      typeof value === 'object' && value !== null && #details in value ? value.#details.sealed : null;
  }

  /** @throws TypeError unless it is an extractable CryptoKey */
  static from(key: unknown): KeyObject {
    const sealed = keyText(key, 'The key');
    return keysOf('fromCryptoKey', () => ({ key: bare({ sealed }) }))[0] as KeyObject;
  }

  get type(): string {
    return this.#details.type;
  }

  get symmetricKeySize(): number | undefined {
    return this.#details.symmetricKeySize;
  }

  get asymmetricKeyType(): string | undefined {
    return this.#details.asymmetricKeyType;
  }

  get asymmetricKeyDetails(): Record<string, unknown> | undefined {
    const { asymmetricKeyDetails: details, publicExponent } = this.#details;
    if (details === undefined) return undefined;
    return publicExponent === undefined ? { ...details } : { ...details, publicExponent: BigInt(publicExponent) };
  }

  equals(other: unknown): boolean {
    const sealed = sealedOf(other);
    if (sealed === null) throw nodeError(new TypeError('The key is not a KeyObject'), 'ERR_INVALID_ARG_TYPE');
    const fields = { key: bare({ sealed: this.#details.sealed }), other: bare({ sealed }) };
    return new CryptoRequest().now('equalKeys', fields).head.value === true;
  }

  export(options: ExportOptions = {}): unknown {
    const { format = this.type === 'secret' ? 'buffer' : undefined, type, cipher, passphrase } = options;
    if (cipher !== undefined || passphrase !== undefined) refusePassphrase();
    if (format === undefined || (this.type !== 'secret' && format !== 'jwk' && type === undefined)) {
      throw nodeError(new TypeError('The "options" need a format and a type'), 'ERR_INVALID_ARG_VALUE');
    }
    const fields = { key: bare({ sealed: this.#details.sealed }), format, type: type ?? '' };
    const { head, body } = new CryptoRequest().now('exportKey', fields);
    return head.jwk ?? output(body, format === 'pem' ? 'utf8' : undefined);
  }
}
Object.defineProperty(KeyObject.prototype, Symbol.toStringTag, { value: 'KeyObject', configurable: true });

/** Its derivation could take as long as whoever encrypted it likes, and no thread of the host's could be had back. */
function refusePassphrase(): never {
  throw nodeError(
    new Error('Keys that are encrypted with a passphrase are not supported here: decrypt them before'),
    'ERR_FEATURE_UNAVAILABLE_ON_PLATFORM',
  );
}

function keysOf(op: string, spec: Spec): KeyObject[] {
  const request = new CryptoRequest();
  return made(request.now(op, spec(request)).head);
}

function made(head: Fields): KeyObject[] {
  return (head.keys as Details[]).map((details) => new KeyObject(TOKEN, details));
}

/** What may be given for a key beside a KeyObject. */
interface KeyInput {
  readonly key?: unknown;
  readonly format?: string;
  readonly type?: string;
  readonly encoding?: string;
  readonly passphrase?: unknown;
}

function isInput(value: unknown): value is KeyInput {
  return typeof value === 'object' && value !== null && 'key' in value && !ArrayBuffer.isView(value);
}

/** How a key that somebody gave is written into a request. @throws TypeError ERR_INVALID_ARG_TYPE */
export function keySpec(given: unknown, type: 'secret' | 'private' | 'public', encoding?: string): Spec {
  const input: KeyInput = isInput(given) && sealedOf(given) === null ? given : { key: given };
  const { key } = input;
  const sealed = sealedOf(key);
  if (sealed !== null) return () => ({ sealed });
  if (input.format === 'jwk') {
    const jwk = jwkOf(key);
    return () => ({ jwk });
  }
  const bytes = bytesOf(key, 'key', input.encoding ?? encoding);
  if (type === 'secret') return (request) => ({ data: request.bytes(bytes) });
  const isEncrypted = input.passphrase !== undefined && Buffer.from(bytes).includes('ENCRYPTED');
  if (isEncrypted) refusePassphrase();
  const form = { format: input.format ?? 'pem', ...(input.type === undefined ? {} : { type: input.type }) };
  return (request) => ({ ...form, data: request.bytes(bytes) });
}

function jwkOf(key: unknown): Fields {
  if (typeof key === 'object' && key !== null) return bare({ ...key });
  throw nodeError(new TypeError('The "key" is not a JSON Web Key'), 'ERR_INVALID_ARG_TYPE');
}

function makeKey(given: unknown, type: 'secret' | 'private' | 'public', encoding?: string): KeyObject {
  const spec = keySpec(given, type, encoding);
  return keysOf('makeKey', (request) => ({ type, key: bare(spec(request)) }))[0] as KeyObject;
}

export function createSecretKey(key: unknown, encoding?: string): KeyObject {
  return makeKey(key, 'secret', encoding);
}

export function createPrivateKey(key: unknown): KeyObject {
  return makeKey(key, 'private');
}

export function createPublicKey(key: unknown): KeyObject {
  return makeKey(key, 'public');
}

interface PairOptions {
  readonly modulusLength?: number;
  readonly publicExponent?: number;
  readonly namedCurve?: string;
  readonly publicKeyEncoding?: ExportOptions;
  readonly privateKeyEncoding?: ExportOptions;
}

interface Pair {
  readonly publicKey: unknown;
  readonly privateKey: unknown;
}

function pairFields(type: unknown, { modulusLength, publicExponent, namedCurve }: PairOptions): Fields {
  return {
    type: `${type}`,
    modulusLength: modulusLength ?? 0,
    ...(publicExponent === undefined ? {} : { publicExponent }),
    ...(namedCurve === undefined ? {} : { namedCurve: `${namedCurve}` }),
  };
}

function pairOf(head: Fields, { publicKeyEncoding, privateKeyEncoding }: PairOptions): Pair {
  const [publicKey, privateKey] = made(head) as [KeyObject, KeyObject];
  return {
    publicKey: publicKeyEncoding === undefined ? publicKey : publicKey.export(publicKeyEncoding),
    privateKey: privateKeyEncoding === undefined ? privateKey : privateKey.export(privateKeyEncoding),
  };
}

/** For curves; RSA keys take too long to be waited for. */
export function generateKeyPairSync(type: string, options: PairOptions = {}): Pair {
  return pairOf(new CryptoRequest().now('generateKeyPair', pairFields(type, options)).head, options);
}

async function pairLater(type: string, options: PairOptions): Promise<Pair> {
  const { head } = await new CryptoRequest().later('generateKeyPair', pairFields(type, options));
  return pairOf(head, options);
}

export function generateKeyPair(type: string, options: unknown, callback: unknown): void {
  const given = (typeof options === 'function' ? {} : (options ?? {})) as PairOptions;
  const done = typeof options === 'function' ? options : callback;
  assertCallback<unknown>(done);
  callBack(
    pairLater(type, given).then(({ publicKey, privateKey }) => [publicKey, privateKey]),
    done,
  );
}
Object.defineProperty(generateKeyPair, Symbol.for('nodejs.util.promisify.custom'), {
  value: (type: string, options: PairOptions = {}) => pairLater(type, options),
});
