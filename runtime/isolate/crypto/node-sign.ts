import {
  diffieHellman as agree,
  constants,
  privateDecrypt,
  privateEncrypt,
  publicDecrypt,
  publicEncrypt,
  sign,
  verify,
} from 'node:crypto';
import type { Keyring } from './keyring.ts';
import { readKey } from './node-keys.ts';
import { hashName } from './node-names.ts';
import { type Answer, answerOf } from './operation.ts';
import { malformed, type Request } from './request.ts';

const PADDINGS: readonly number[] = [
  constants.RSA_PKCS1_PADDING,
  constants.RSA_NO_PADDING,
  constants.RSA_PKCS1_OAEP_PADDING,
  constants.RSA_PKCS1_PSS_PADDING,
];

/** How a signature is made beside its key. */
export function signOptions(request: Request): {
  dsaEncoding: 'der' | 'ieee-p1363';
  padding?: number;
  saltLength?: number;
} {
  return {
    dsaEncoding: request.flag('p1363') ? 'ieee-p1363' : 'der',
    ...paddingOf(request),
    // The constants for "as long as the digest" and the like are negative.
    ...(request.has('saltLength') ? { saltLength: request.integer('saltLength', 4_096) - 2 } : {}),
  };
}

function paddingOf(request: Request): { padding?: number } {
  if (!request.has('padding')) return {};
  const padding = request.integer('padding', 100);
  if (!PADDINGS.includes(padding)) throw malformed('padding');
  return { padding };
}

function digestOf(request: Request): string | null {
  return request.has('algorithm') ? hashName(request.text('algorithm', 40)) : null;
}

/** `crypto.sign`. */
export function signOnce(request: Request, keys: Keyring): Answer {
  const key = readKey(request.inner('key'), 'private', keys);
  return answerOf(sign(digestOf(request), request.bytes('data'), { key, ...signOptions(request) }));
}

/** `crypto.verify`. */
export function verifyOnce(request: Request, keys: Keyring): Answer {
  const key = readKey(request.inner('key'), 'public', keys);
  const options = { key, ...signOptions(request) };
  const value = verify(digestOf(request), request.bytes('data'), options, request.bytes('signature'));
  return { head: { value }, body: null };
}

/** `publicEncrypt`, `privateDecrypt` and their counterparts. */
export function rsa(request: Request, keys: Keyring): Answer {
  const way = request.text('way', 20);
  const isPublic = way === 'publicEncrypt' || way === 'publicDecrypt';
  const key = readKey(request.inner('key'), isPublic ? 'public' : 'private', keys);
  const options = {
    key,
    ...paddingOf(request),
    ...(request.has('oaepHash') ? { oaepHash: hashName(request.text('oaepHash', 40)) } : {}),
    ...(request.has('oaepLabel') ? { oaepLabel: request.bytes('oaepLabel') } : {}),
  };
  const data = request.bytes('data');
  switch (way) {
    case 'publicEncrypt':
      return answerOf(publicEncrypt(options, data));
    case 'publicDecrypt':
      return answerOf(publicDecrypt(options, data));
    case 'privateEncrypt':
      return answerOf(privateEncrypt(options, data));
    case 'privateDecrypt':
      return answerOf(privateDecrypt(options, data));
    default:
      throw malformed('way');
  }
}

/** `crypto.diffieHellman`. */
export function diffieHellman(request: Request, keys: Keyring): Answer {
  const privateKey = readKey(request.inner('key'), 'private', keys);
  return answerOf(agree({ privateKey, publicKey: readKey(request.inner('other'), 'public', keys) }));
}
