import { domError } from '../heavy.ts';
import { StringToLowerCase, StringToUpperCase } from '../intrinsics.ts';
import { keyText } from './crypto-key.ts';
import { bare, type CryptoRequest, viewOf } from './crypto-request.ts';

/** What a member of a parameter dictionary is converted to. */
type Kind =
  | 'BufferSource'
  | 'Uint8Array'
  | 'octet'
  | 'unsigned short'
  | 'unsigned long'
  | 'hash'
  | 'text'
  | 'CryptoKey';
type Member = readonly [name: string, kind: Kind, required?: 'required'];

const NONE: readonly Member[] = [];
const HASH: readonly Member[] = [['hash', 'hash', 'required']];
const CURVE: readonly Member[] = [['namedCurve', 'text', 'required']];
const AES_LENGTH: readonly Member[] = [['length', 'unsigned short', 'required']];
const HMAC: readonly Member[] = [...HASH, ['length', 'unsigned long']];
const PUBLIC: readonly Member[] = [['public', 'CryptoKey', 'required']];
const CBC: readonly Member[] = [['iv', 'BufferSource', 'required']];
const CTR: readonly Member[] = [
  ['counter', 'BufferSource', 'required'],
  ['length', 'octet', 'required'],
];
const GCM: readonly Member[] = [['additionalData', 'BufferSource'], ...CBC, ['tagLength', 'octet']];
const RSA: readonly Member[] = [
  ['modulusLength', 'unsigned long', 'required'],
  ['publicExponent', 'Uint8Array', 'required'],
  ...HASH,
];
const HKDF: readonly Member[] = [...HASH, ['info', 'BufferSource', 'required'], ['salt', 'BufferSource', 'required']];
const PBKDF2: readonly Member[] = [
  ...HASH,
  ['iterations', 'unsigned long', 'required'],
  ['salt', 'BufferSource', 'required'],
];

type Algorithms = Readonly<Record<string, readonly Member[]>>;

const AES_CIPHERS: Algorithms = { 'AES-CBC': CBC, 'AES-CTR': CTR, 'AES-GCM': GCM };
const AES_KEYS: Algorithms = {
  'AES-CBC': AES_LENGTH,
  'AES-CTR': AES_LENGTH,
  'AES-GCM': AES_LENGTH,
  'AES-KW': AES_LENGTH,
};
const CIPHERS: Algorithms = { ...AES_CIPHERS, 'RSA-OAEP': [['label', 'BufferSource']] };
const KEY_WRAP: Algorithms = { ...CIPHERS, 'AES-KW': NONE };
const SIGNATURES: Algorithms = {
  ECDSA: HASH,
  Ed25519: NONE,
  Ed448: [['context', 'BufferSource']],
  HMAC: NONE,
  'RSA-PSS': [['saltLength', 'unsigned long', 'required']],
  'RSASSA-PKCS1-v1_5': NONE,
};
const CURVE_KEYS: Algorithms = {
  ECDH: CURVE,
  ECDSA: CURVE,
  Ed25519: NONE,
  Ed448: NONE,
  X25519: NONE,
  X448: NONE,
};

/** What may be done, with what, by which parameters (Web Cryptography, "Registered Algorithms"). */
const OPERATIONS = {
  digest: { 'SHA-1': NONE, 'SHA-256': NONE, 'SHA-384': NONE, 'SHA-512': NONE },
  encrypt: CIPHERS,
  decrypt: CIPHERS,
  sign: SIGNATURES,
  verify: SIGNATURES,
  deriveBits: { ECDH: PUBLIC, HKDF, PBKDF2, X25519: PUBLIC, X448: PUBLIC },
  generateKey: { ...AES_KEYS, ...CURVE_KEYS, HMAC, 'RSA-OAEP': RSA, 'RSA-PSS': RSA, 'RSASSA-PKCS1-v1_5': RSA },
  importKey: {
    ...CURVE_KEYS,
    'AES-CBC': NONE,
    'AES-CTR': NONE,
    'AES-GCM': NONE,
    'AES-KW': NONE,
    HKDF: NONE,
    HMAC,
    PBKDF2: NONE,
    'RSA-OAEP': HASH,
    'RSA-PSS': HASH,
    'RSASSA-PKCS1-v1_5': HASH,
  },
  keyLength: { ...AES_KEYS, HKDF: NONE, HMAC, PBKDF2: NONE },
  wrapKey: KEY_WRAP,
  unwrapKey: KEY_WRAP,
} satisfies Readonly<Record<string, Algorithms>>;

/**
 * "Normalize an algorithm": what a guest gives for one, as the host takes it.
 *
 * @throws TypeError for members that are missing or of the wrong kind, DOMException NotSupportedError for unknown names
 */
export function normalize(
  operation: keyof typeof OPERATIONS,
  given: unknown,
  request: CryptoRequest,
): Record<string, unknown> {
  const isObject = (typeof given === 'object' && given !== null) || typeof given === 'function';
  const value = (isObject ? given : { name: given }) as Readonly<Record<string, unknown>>;
  const givenName = value.name;
  if (isObject && givenName === undefined) throw new TypeError('The algorithm has no name');
  const algorithms: Algorithms = OPERATIONS[operation];
  const name = spelled(Object.keys(algorithms), `${givenName}`);
  const normal: Record<string, unknown> = bare({ name });
  for (const [member, kind, required] of algorithms[name] as readonly Member[]) {
    const each = value[member];
    if (each !== undefined) normal[member] = convert(each, kind, `${name}: ${member}`, request);
    else if (required) throw new TypeError(`${name}: "${member}" is required`);
  }
  return normal;
}

/** The name as the standard spells it. The case of letters beyond ASCII does not fold. */
function spelled(names: readonly string[], given: string): string {
  const [lower, upper] = [StringToLowerCase(given), StringToUpperCase(given)];
  const name = names.find((each) => StringToLowerCase(each) === lower && StringToUpperCase(each) === upper);
  if (name === undefined) throw domError('Unrecognized algorithm name', 'NotSupportedError');
  return name;
}

const MOST = { octet: 0xff, 'unsigned short': 0xffff, 'unsigned long': 0xffff_ffff } as const;

function convert(value: unknown, kind: Kind, what: string, request: CryptoRequest): unknown {
  switch (kind) {
    case 'BufferSource':
      return request.bytes(bytesFrom(value, what));
    case 'Uint8Array':
      if (!(value instanceof Uint8Array)) throw new TypeError(`${what} is not a Uint8Array`);
      return request.bytes(bytesFrom(value, what));
    case 'hash':
      return normalize('digest', value, request).name;
    case 'text':
      return `${value}`;
    case 'CryptoKey':
      return keyText(value, what);
    default:
      return enforceRange(value, MOST[kind], what);
  }
}

/** The bytes of a BufferSource. @throws TypeError */
export function bytesFrom(value: unknown, what: string): Uint8Array {
  const view = viewOf(value);
  if (view === null) throw new TypeError(`${what} is neither an ArrayBuffer nor a view of one`);
  return view;
}

/** [EnforceRange] of Web IDL. */
function enforceRange(value: unknown, max: number, what: string): number {
  const number = Math.trunc(Number(value));
  if (!(number >= 0 && number <= max)) throw new TypeError(`${what} is not a number from 0 to ${max}`);
  return number + 0;
}
