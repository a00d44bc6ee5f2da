import { Refusal, toRefusal } from './errors.ts';
import { Keyring } from './keyring.ts';
import { CRYPTO_LIMITS } from './limits.ts';
import { deriveLater, deriveNow, isSlow, pairLater, pairNow } from './node-derive.ts';
import { equalKeys, exportNode, fromCryptoKey, makeKey } from './node-keys.ts';
import { NODE_NAMES } from './node-names.ts';
import { diffieHellman, rsa, signOnce, verifyOnce } from './node-sign.ts';
import { Streams } from './node-streams.ts';
import type { Answer, Operation } from './operation.ts';
import { Request } from './request.ts';
import { SUBTLE } from './subtle.ts';

/** What goes back to a guest. */
export interface Reply {
  readonly failed: boolean;
  /** JSON. */
  readonly head: string;
  readonly body: Buffer | null;
}

/** A request that was read, and that waits for its turn. */
export interface Work {
  /** Bytes that it holds while it waits. */
  readonly bytes: number;
  readonly slow: boolean;
  run(): Promise<Reply>;
}

const LATER: ReadonlyMap<string, Operation> = new Map<string, Operation>([
  ...SUBTLE,
  ['pbkdf2', deriveLater.pbkdf2],
  ['scrypt', deriveLater.scrypt],
  ['hkdf', deriveLater.hkdf],
  ['generateKeyPair', pairLater],
]);

type OperationNow = (request: Request, keys: Keyring, streams: Streams) => Answer;

const NOW: ReadonlyMap<string, OperationNow> = new Map<string, OperationNow>([
  ['whole', (request, keys, streams) => streams.whole(request, keys)],
  ['open', (request, keys, streams) => streams.open(request, keys)],
  ['update', (request, _keys, streams) => streams.update(request)],
  ['copy', (request, _keys, streams) => streams.copy(request)],
  ['finish', (request, _keys, streams) => streams.finish(request)],
  ['sign', signOnce],
  ['verify', verifyOnce],
  ['rsa', rsa],
  ['diffieHellman', diffieHellman],
  ['makeKey', makeKey],
  ['exportKey', exportNode],
  ['equalKeys', equalKeys],
  ['fromCryptoKey', fromCryptoKey],
  ['pbkdf2', deriveNow.pbkdf2],
  ['scrypt', deriveNow.scrypt],
  ['hkdf', deriveNow.hkdf],
  ['generateKeyPair', pairNow],
  ['names', () => ({ head: NODE_NAMES, body: null })],
]);

/**
 * The cryptography of one isolate, done by this process' OpenSSL: its keys, and what it has under way. Dropped with the
 * isolate, and nothing of it is another's.
 */
export class GuestCrypto {
  readonly #keys = new Keyring();
  readonly #streams = new Streams();
  #spentMs = 0;

  /** Adds time that was spent for the isolate. */
  charge(milliseconds: number): void {
    this.#spentMs += milliseconds;
  }

  /** Milliseconds spent since this was last asked. */
  takeSpent(): number {
    const spent = this.#spentMs;
    this.#spentMs = 0;
    return spent;
  }

  /**
   * Does at once what a guest waits for; never throws.
   *
   * @returns a line of JSON, which has `error` when it failed, and bytes as one char each
   */
  now(head: unknown, body: unknown): string {
    const started = performance.now();
    const { head: json, body: bytes } = this.#answerNow(head, body);
    this.charge(performance.now() - started);
    return `${json}\n${bytes === null ? '' : bytes.toString('latin1')}`;
  }

  #answerNow(head: unknown, body: unknown): Reply {
    try {
      if (typeof head !== 'string' || typeof body !== 'string') throw new Refusal('OperationError', 'No request');
      const request = Request.read(head, body, CRYPTO_LIMITS.nowBytes);
      const operation = NOW.get(request.op);
      if (operation === undefined) throw new Refusal('NotSupportedError', 'There is no such operation');
      return replyOf(operation(request, this.#keys, this.#streams));
    } catch (error) {
      return failure(error);
    }
  }

  /** Reads what a guest asked for, to be run when there is a thread for it; never throws. */
  later(head: string, body: string): Work {
    let request: Request;
    let operation: Operation | undefined;
    let slow: boolean;
    try {
      request = Request.read(head, body, CRYPTO_LIMITS.laterBytes);
      operation = LATER.get(request.op);
      slow = isSlow(request);
      if (operation === undefined) throw new Refusal('NotSupportedError', 'There is no such operation');
    } catch (error) {
      return { bytes: 0, slow: false, run: async () => failure(error) };
    }
    const run = operation;
    return {
      bytes: head.length + body.length,
      slow,
      run: async () => {
        try {
          return replyOf(await run(request, this.#keys));
        } catch (error) {
          return failure(error);
        }
      },
    };
  }
}

function replyOf({ head, body }: Answer): Reply {
  return { failed: false, head: JSON.stringify(head), body };
}

/** How a request that failed is answered. */
export function failure(error: unknown): Reply {
  return { failed: true, head: JSON.stringify({ error: toRefusal(error) }), body: null };
}
