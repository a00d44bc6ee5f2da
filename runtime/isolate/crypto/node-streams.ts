import {
  type CipherCCMOptions,
  type CipherGCM,
  createCipheriv,
  createDecipheriv,
  createHash,
  createHmac,
  createSign,
  createVerify,
  type DecipherGCM,
  type Hash,
  type Hmac,
} from 'node:crypto';
import { Refusal } from './errors.ts';
import type { Keyring } from './keyring.ts';
import { CRYPTO_LIMITS } from './limits.ts';
import { readKey } from './node-keys.ts';
import { cipherName, hashName } from './node-names.ts';
import { signOptions } from './node-sign.ts';
import { type Answer, answerOf } from './operation.ts';
import { malformed, type Request } from './request.ts';

/** A hash, cipher or signature that takes its input in pieces. */
interface Stream {
  /** What comes out at once; null for those that give all at their end. */
  update(bytes: Buffer): Buffer | null;
  finish(request: Request): Answer;
  copy?(): Stream;
}

/** Makes what `request.stream` names. */
function openStream(spec: Request, keys: Keyring): Stream {
  const kind = spec.text('kind', 10);
  switch (kind) {
    case 'hash':
      return digesting(openHash(spec));
    case 'hmac':
      return digesting(createHmac(hashName(spec.text('algorithm', 40)), readKey(spec.inner('key'), 'secret', keys)));
    case 'cipher':
      return ciphering(spec, keys);
    case 'decipher':
      return deciphering(spec, keys);
    case 'sign':
      return signing(spec, keys);
    case 'verify':
      return verifying(spec, keys);
    default:
      throw malformed('stream');
  }
}

function openHash(spec: Request): Hash {
  const name = hashName(spec.text('algorithm', 40));
  if (!spec.has('outputLength')) return createHash(name);
  return createHash(name, { outputLength: spec.integer('outputLength', CRYPTO_LIMITS.hashBytes) });
}

function digesting(hash: Hash | Hmac): Stream {
  return {
    update(bytes) {
      hash.update(bytes);
      return null;
    },
    finish: () => answerOf(hash.digest()),
    ...('copy' in hash ? { copy: () => digesting(hash.copy()) } : {}),
  };
}

type CipherParts = [name: string, key: Buffer, iv: Buffer | null, options: CipherCCMOptions];

function cipherParts(spec: Request, keys: Keyring): CipherParts {
  const options: { authTagLength?: number } = {};
  if (spec.has('authTagLength')) options.authTagLength = spec.integer('authTagLength', 64);
  const key = readKey(spec.inner('key'), 'secret', keys).export();
  return [
    cipherName(spec.text('algorithm', 40)),
    key,
    spec.has('iv') ? spec.bytes('iv') : null,
    options as CipherCCMOptions,
  ];
}

function aadOptions(spec: Request): { plaintextLength: number } | undefined {
  if (!spec.has('plaintextLength')) return undefined;
  return { plaintextLength: spec.integer('plaintextLength', CRYPTO_LIMITS.laterBytes) };
}

function ciphering(spec: Request, keys: Keyring): Stream {
  // Node finds out by itself whether it is one that authenticates.
  const cipher = createCipheriv(...cipherParts(spec, keys)) as unknown as CipherGCM;
  if (spec.flag('noPadding')) cipher.setAutoPadding(false);
  if (spec.has('aad')) cipher.setAAD(spec.bytes('aad'), aadOptions(spec));
  return {
    update: (bytes) => cipher.update(bytes),
    finish(request) {
      const body = cipher.final();
      return { head: request.flag('wantsTag') ? { tag: cipher.getAuthTag().toString('latin1') } : {}, body };
    },
  };
}

function deciphering(spec: Request, keys: Keyring): Stream {
  const decipher = createDecipheriv(...cipherParts(spec, keys)) as unknown as DecipherGCM;
  if (spec.flag('noPadding')) decipher.setAutoPadding(false);
  if (spec.has('tag')) decipher.setAuthTag(spec.bytes('tag'));
  if (spec.has('aad')) decipher.setAAD(spec.bytes('aad'), aadOptions(spec));
  return {
    update: (bytes) => decipher.update(bytes),
    finish(request) {
      if (request.has('tag')) decipher.setAuthTag(request.bytes('tag'));
      return answerOf(decipher.final());
    },
  };
}

function signing(spec: Request, keys: Keyring): Stream {
  const sign = createSign(hashName(spec.text('algorithm', 40)));
  return {
    update(bytes) {
      sign.update(bytes);
      return null;
    },
    finish(request) {
      const key = readKey(request.inner('key'), 'private', keys);
      return answerOf(sign.sign({ key, ...signOptions(request) }));
    },
  };
}

function verifying(spec: Request, keys: Keyring): Stream {
  const verify = createVerify(hashName(spec.text('algorithm', 40)));
  return {
    update(bytes) {
      verify.update(bytes);
      return null;
    },
    finish(request) {
      const key = readKey(request.inner('key'), 'public', keys);
      const value = verify.verify({ key, ...signOptions(request) }, request.bytes('signature'));
      return { head: { value }, body: null };
    },
  };
}

/** The streams of one isolate, by number. */
export class Streams {
  readonly #open = new Map<number, Stream>();
  #last = 0;

  /** All in one: opened, given its input, finished. */
  whole(request: Request, keys: Keyring): Answer {
    const stream = openStream(request.inner('stream'), keys);
    const out = stream.update(request.bytes('data'));
    const { head, body } = stream.finish(request);
    return { head, body: out === null || body === null ? body : Buffer.concat([out, body]) };
  }

  open(request: Request, keys: Keyring): Answer {
    const stream = openStream(request.inner('stream'), keys);
    const body = stream.update(request.bytes('data'));
    return { head: { handle: this.#keep(stream) }, body };
  }

  update(request: Request): Answer {
    return { head: {}, body: this.#at(request).update(request.bytes('data')) };
  }

  copy(request: Request): Answer {
    const copy = this.#at(request).copy?.();
    if (copy === undefined) throw malformed('no hash');
    return { head: { handle: this.#keep(copy) }, body: null };
  }

  finish(request: Request): Answer {
    const stream = this.#at(request);
    this.#open.delete(request.integer('handle', Number.MAX_SAFE_INTEGER));
    return stream.finish(request);
  }

  #keep(stream: Stream): number {
    this.#last += 1;
    this.#open.set(this.#last, stream);
    const [oldest] = this.#open.keys();
    if (this.#open.size > CRYPTO_LIMITS.streams && oldest !== undefined) this.#open.delete(oldest);
    return this.#last;
  }

  #at(request: Request): Stream {
    const handle = request.integer('handle', Number.MAX_SAFE_INTEGER);
    const stream = this.#open.get(handle);
    if (stream === undefined) {
      throw new Refusal(
        'Error',
        `More than ${CRYPTO_LIMITS.streams} hashes or ciphers were begun before this one ended`,
      );
    }
    // The one used last is the last to go.
    this.#open.delete(handle);
    this.#open.set(handle, stream);
    return stream;
  }
}
