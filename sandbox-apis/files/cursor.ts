import { CodedError } from '../_kit/errors.ts';
import { checkPrefix } from './checks.ts';

/** The last entry of a page: still a good place to go on from when files come and go between the pages. */
export function encodeCursor(last: string): string {
  return Buffer.from(last).toString('base64url');
}

/** @throws CodedError `invalid_input` */
export function decodeCursor(cursor: string): string {
  const last = Buffer.from(cursor, 'base64url').toString();
  if (encodeCursor(last) !== cursor) throw new CodedError('invalid_input', 'cursor: is not one that list() gave');
  checkPrefix(last);
  return last;
}
