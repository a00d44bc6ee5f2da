import { CodedError } from '../_kit/errors.ts';
import { STORAGE_LIMITS } from './limits.ts';

const NUL = '\0';

/**
 * Refuses a key (or the prefix of one) that is too long in UTF-8, or holds control characters or half a surrogate pair.
 * @throws CodedError `invalid_input`
 */
export function checkKey(key: string, what: 'key' | 'prefix' = 'key'): void {
  if (!key.isWellFormed()) throw new CodedError('invalid_input', `${what}: holds half a surrogate pair`);
  for (const char of key) {
    if (char < ' ' || char === '\x7f') throw new CodedError('invalid_input', `${what}: holds a control character`);
  }
  const bytes = Buffer.byteLength(key);
  if (bytes <= STORAGE_LIMITS.keyBytes) return;
  throw new CodedError('invalid_input', `${what}: is ${bytes} bytes in UTF-8, more than ${STORAGE_LIMITS.keyBytes}`);
}

/**
 * The value as JSON text that Postgres can keep and give back unchanged.
 *
 * @param key named in the errors where the value is one of several
 * @throws CodedError `invalid_input` (with the JSON pointer of what is wrong), `payload_too_large`
 */
export function encodeValue(value: unknown, key?: string): string {
  try {
    return encoded(value);
  } catch (error) {
    if (key === undefined || !(error instanceof CodedError)) throw error;
    throw new CodedError(error.code, `key "${key}": ${error.message}`, { ...error.extra, key });
  }
}

function encoded(value: unknown): string {
  checkValue(value, []);
  const json = JSON.stringify(value);
  const bytes = Buffer.byteLength(json);
  const limit = STORAGE_LIMITS.valueBytes;
  if (bytes > limit) {
    throw new CodedError('payload_too_large', `value: is ${bytes} bytes of JSON, more than ${limit}`, { limit });
  }
  return json;
}

function checkValue(value: unknown, path: (string | number)[]): void {
  switch (typeof value) {
    case 'string':
      checkText(value, path);
      return;
    case 'boolean':
      return;
    case 'number':
      if (!Number.isFinite(value)) throw invalid(path, `is ${value}, which JSON cannot say`);
      return;
    case 'object':
      if (value !== null) checkParts(value, path);
      return;
    default:
      throw invalid(path, `is of type ${typeof value}, which JSON cannot say`);
  }
}

function checkParts(value: object, path: (string | number)[]): void {
  if (path.length >= STORAGE_LIMITS.valueDepth) {
    throw invalid([], `is nested deeper than ${STORAGE_LIMITS.valueDepth} levels`);
  }
  const parts = Array.isArray(value) ? value.entries() : Object.entries(value);
  for (const [key, part] of parts) {
    path.push(key);
    if (typeof key === 'string') checkText(key, path);
    checkValue(part, path);
    path.pop();
  }
}

function checkText(text: string, path: readonly (string | number)[]): void {
  if (text.includes(NUL)) throw invalid(path, 'holds U+0000, which the database cannot keep');
  if (!text.isWellFormed()) throw invalid(path, 'holds half a surrogate pair');
}

function invalid(path: readonly (string | number)[], reason: string): CodedError {
  const pointer = path.map((part) => `/${String(part).replaceAll('~', '~0').replaceAll('/', '~1')}`).join('');
  const shown = pointer.length > 200 ? `${pointer.slice(0, 200)}...` : pointer;
  return new CodedError('invalid_input', `value${shown.toWellFormed()}: ${reason}`);
}
