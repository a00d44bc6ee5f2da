import { getCiphers, getHashes } from 'node:crypto';
import { Refusal } from './errors.ts';

/** Ciphers that guests may have: those that are in use. All take time in proportion to their input. */
const CIPHERS =
  /^(?:aes-?(?:128|192|256)-(?:cbc|ctr|gcm|ccm|ocb|ecb|cfb|cfb1|cfb8|ofb)|id-aes(?:128|192|256)-(?:gcm|ccm|wrap|wrap-pad)|aes(?:128|192|256)(?:-wrap)?|chacha20(?:-poly1305)?|des-ede3-cbc|des3)$/;

const hashes = new Set(getHashes().map((name) => name.toLowerCase()));
const ciphers = new Set(getCiphers().filter((name) => CIPHERS.test(name)));

/** What `getHashes` and the like answer a guest. */
export const NODE_NAMES = {
  hashes: getHashes(),
  ciphers: [...ciphers],
  curves: ['prime256v1', 'secp256k1', 'secp384r1', 'secp521r1'],
} as const;

/** Digests for deriving keys, with their bytes. */
const DERIVING: ReadonlyMap<string, number> = new Map([
  ['md5', 16],
  ['ripemd160', 20],
  ['sha1', 20],
  ['sha224', 28],
  ['sha256', 32],
  ['sha384', 48],
  ['sha512', 64],
]);

/** @throws Refusal as Node does for a digest that it does not know */
export function hashName(name: string): string {
  const lower = name.toLowerCase();
  if (!hashes.has(lower)) throw new Refusal('Error', 'Digest method not supported', 'ERR_OSSL_EVP_UNSUPPORTED');
  return lower;
}

/** @throws Refusal as Node does for a cipher that it does not know */
export function cipherName(name: string): string {
  const lower = name.toLowerCase();
  if (!ciphers.has(lower)) throw new Refusal('RangeError', 'Unknown cipher', 'ERR_CRYPTO_UNKNOWN_CIPHER');
  return lower;
}

/** @throws Refusal as Node does for a digest that cannot be derived with */
export function derivingHash(name: string): { readonly digest: string; readonly bytes: number } {
  const digest = name.toLowerCase().replace(/^sha-/, 'sha');
  const bytes = DERIVING.get(digest);
  if (bytes === undefined) {
    throw new Refusal('TypeError', `Invalid digest: ${name.slice(0, 30)}`, 'ERR_CRYPTO_INVALID_DIGEST');
  }
  return { digest, bytes };
}
