import { CodedError } from '../_kit/errors.ts';
import { checkKey } from './checks.ts';

/** The last key of a page: still a good place to go on from when keys come and go between the pages. */
export function encodeCursor(key: string): string {
  return Buffer.from(key).toString('base64url');
}

/** @throws CodedError `invalid_input` when it is not one that `encodeCursor` made */
export function decodeCursor(cursor: string): string {
  const key = Buffer.from(cursor, 'base64url').toString();
  if (encodeCursor(key) !== cursor) throw new CodedError('invalid_input', 'cursor: is not one that list() gave');
  checkKey(key);
  return key;
}
