import { heavy } from '../web/heavy.ts';
import { Cipheriv, createCipheriv, createDecipheriv, Decipheriv } from './crypto-cipher.ts';
import { hkdf, hkdfSync, pbkdf2, pbkdf2Sync, scrypt, scryptSync } from './crypto-derive.ts';
import { createHash, createHmac, Hash, Hmac, hash } from './crypto-hash.ts';
import { hostNames } from './crypto-host.ts';
import {
  createPrivateKey,
  createPublicKey,
  createSecretKey,
  generateKeyPair,
  generateKeyPairSync,
  KeyObject,
} from './crypto-keys.ts';
import { randomBytes, randomFill, randomFillSync, randomInt, randomUUID, timingSafeEqual } from './crypto-random.ts';
import {
  createSign,
  createVerify,
  diffieHellman,
  privateDecrypt,
  privateEncrypt,
  publicDecrypt,
  publicEncrypt,
  Sign,
  sign,
  Verify,
  verify,
} from './crypto-sign.ts';

/** Those of OpenSSL that are of use here. */
const constants = {
  RSA_PKCS1_PADDING: 1,
  RSA_NO_PADDING: 3,
  RSA_PKCS1_OAEP_PADDING: 4,
  RSA_PKCS1_PSS_PADDING: 6,
  RSA_PSS_SALTLEN_DIGEST: -1,
  RSA_PSS_SALTLEN_MAX_SIGN: -2,
  RSA_PSS_SALTLEN_AUTO: -2,
  POINT_CONVERSION_COMPRESSED: 2,
  POINT_CONVERSION_UNCOMPRESSED: 4,
  POINT_CONVERSION_HYBRID: 6,
};

const webcrypto = heavy.crypto().crypto;

/** `node:crypto`: the work is done by the host process (docs/adr/0011). */
const crypto = {
  Cipheriv,
  Decipheriv,
  Hash,
  Hmac,
  KeyObject,
  Sign,
  Verify,
  constants,
  createCipheriv,
  createDecipheriv,
  createHash,
  createHmac,
  createPrivateKey,
  createPublicKey,
  createSecretKey,
  createSign,
  createVerify,
  diffieHellman,
  generateKeyPair,
  generateKeyPairSync,
  getCiphers: (): string[] => [...hostNames().ciphers],
  getCurves: (): string[] => [...hostNames().curves],
  getFips: (): number => 0,
  getHashes: (): string[] => [...hostNames().hashes],
  getRandomValues: <T extends ArrayBufferView>(array: T): T => webcrypto.getRandomValues(array),
  hash,
  hkdf,
  hkdfSync,
  pbkdf2,
  pbkdf2Sync,
  privateDecrypt,
  privateEncrypt,
  publicDecrypt,
  publicEncrypt,
  randomBytes,
  randomFill,
  randomFillSync,
  randomInt,
  randomUUID,
  scrypt,
  scryptSync,
  sign,
  get subtle() {
    return webcrypto.subtle;
  },
  timingSafeEqual,
  verify,
  webcrypto,
};

export { crypto as 'module.exports' };
