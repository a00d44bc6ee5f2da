import { CodedError } from '../_kit/errors.ts';
import { FILE_LIMITS } from './limits.ts';

/**
 * Refuses what is no path of a file: relative, its segments divided by `/`, none of them empty, `.` or `..`.
 * @throws CodedError `invalid_input` that says what is wrong
 */
export function checkPath(path: string, what = 'path'): void {
  checkText(path, what);
  if (path.startsWith('/')) throw invalid(what, 'begins with "/"; paths are relative');
  for (const segment of path.split('/')) {
    if (segment === '') throw invalid(what, 'has an empty segment: "//", or a "/" at its end');
    if (segment === '.' || segment === '..') throw invalid(what, `has the segment "${segment}"`);
  }
}

/** The same for the beginning of paths: it may end anywhere. @throws CodedError `invalid_input` */
export function checkPrefix(prefix: string): void {
  checkText(prefix, 'prefix');
  const segments = prefix.split('/');
  // The last one may go on.
  if (segments.slice(0, -1).some((segment) => /^\.{0,2}$/.test(segment))) {
    throw invalid('prefix', 'is one that no path begins with: it has an empty segment, ".", or ".."');
  }
}

function checkText(text: string, what: string): void {
  if (!text.isWellFormed()) throw invalid(what, 'holds half a surrogate pair');
  for (const char of text) {
    if (char < ' ' || char === '\x7f') throw invalid(what, 'holds a control character');
    if (char === '\\') throw invalid(what, 'holds a backslash, which some take for a "/"');
  }
  const bytes = Buffer.byteLength(text);
  if (bytes > FILE_LIMITS.pathBytes)
    throw invalid(what, `is ${bytes} bytes in UTF-8, more than ${FILE_LIMITS.pathBytes}`);
}

/** @throws CodedError `invalid_input` for texts that Postgres cannot keep, and when all of it is too much */
export function checkMetadata(metadata: Readonly<Record<string, string>>): void {
  let bytes = 0;
  for (const [name, value] of Object.entries(metadata)) {
    if (!value.isWellFormed() || value.includes('\0')) {
      throw invalid(`metadata.${name}`, 'holds U+0000 or half a surrogate pair');
    }
    bytes += name.length + Buffer.byteLength(value);
  }
  const limit = FILE_LIMITS.metadataBytes;
  if (bytes > limit) throw invalid('metadata', `is ${bytes} bytes in all, more than ${limit}`);
}

/** The etag of a condition, which may come with the quotes that it has in HTTP. */
export function etagOf(condition: string | undefined): string | undefined {
  return condition?.replaceAll('"', '');
}

function invalid(what: string, reason: string): CodedError {
  return new CodedError('invalid_input', `${what}: ${reason}`);
}
