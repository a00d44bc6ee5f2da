import { CRYPTO_LIMITS } from './limits.ts';

/** What a guest may be told of: names of DOMException, and of the language's own errors. */
const NAMES: ReadonlySet<string> = new Set([
  'DataError',
  'InvalidAccessError',
  'NotSupportedError',
  'OperationError',
  'QuotaExceededError',
  'SyntaxError',
]);
const OWN: ReadonlySet<string> = new Set(['Error', 'RangeError', 'TypeError']);
const CODE = /^ERR_[A-Z0-9_]{1,80}$/;

/** An error that a guest gets: a DOMException of that name, or with a code one of Node's. */
export class Refusal extends Error {
  readonly code: string | null;
  constructor(name: string, message: string, code: string | null = null) {
    super(message);
    this.name = name;
    this.code = code;
  }
}

/** An error as it crosses. */
export interface PlainRefusal {
  readonly name: string;
  readonly message: string;
  readonly code: string | null;
}

/**
 * Whatever was thrown, as plain texts: no stack and no path. The names are those of the Web Cryptography API for
 * `subtle`, and Node's own for `node:crypto`; anything unknown failed for "an operation-specific reason".
 */
export function toRefusal(error: unknown): PlainRefusal {
  if (!(error instanceof Error)) return { name: 'OperationError', message: 'The operation failed', code: null };
  const message = error.message.includes('/') && !(error instanceof Refusal) ? 'The operation failed' : error.message;
  const code = (error as { code?: unknown }).code;
  return {
    name: NAMES.has(error.name) || OWN.has(error.name) ? error.name : 'OperationError',
    message: message.slice(0, CRYPTO_LIMITS.messageChars),
    code: typeof code === 'string' && CODE.test(code) ? code : null,
  };
}
