import { CodedError } from '../../sandbox-apis/_kit/errors.ts';
import { PACKAGE_LIMITS } from './limits.ts';

/** Names that are keys of every JavaScript object: a table of files kept in a plain object would be poisoned. */
const RESERVED_SEGMENTS = new Set(['__proto__', 'constructor', 'prototype']);
/** Controls, invisible formatting, lone surrogates, private use, line separators, and what bad UTF-8 decodes to. */
const HOSTILE_CHARACTER = /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Zl}\p{Zp}\u{FFFD}]/u;

/** The error for a package that breaks a rule of form. */
export function packageInvalid(message: string): CodedError {
  return new CodedError('package_invalid', message);
}

/** The error for a package that is over a number of PACKAGE_LIMITS. */
export function packageTooLarge(message: string, limit: number): CodedError {
  return new CodedError('package_too_large', message, { limit });
}

/** A path as it may stand in a message: quoted, escaped, cut short. */
export function quotePath(path: string): string {
  return JSON.stringify(path.length > 120 ? `${path.slice(0, 120)}…` : path);
}

/**
 * Checks one path of an archive or folder: relative, `/` between its names, nothing that a file system, a shell or a
 * reader could take for something else.
 * @returns the path without a leading `./` or trailing `/`; empty for the root itself.
 * @throws CodedError `package_invalid`, `package_too_large`
 */
export function cleanPath(raw: string): string {
  const path = raw.replace(/^(?:\.\/)+/, '').replace(/\/$/, '');
  if (path === '' || path === '.') {
    if (raw === '' || raw.startsWith('/')) throw packageInvalid(`The path ${quotePath(raw)} is not allowed`);
    return '';
  }
  const refuse = (why: string) => packageInvalid(`The path ${quotePath(raw)} ${why}`);
  if (Buffer.byteLength(path) > PACKAGE_LIMITS.pathBytes) {
    throw packageTooLarge(
      `The path ${quotePath(raw)} is longer than ${PACKAGE_LIMITS.pathBytes} bytes`,
      PACKAGE_LIMITS.pathBytes,
    );
  }
  if (path.startsWith('/')) throw refuse('is absolute');
  if (path.includes('\\')) throw refuse('has a backslash');
  if (path.includes(':')) throw refuse('has a colon: a drive letter or an alternate stream to some systems');
  if (HOSTILE_CHARACTER.test(path)) throw refuse('has a control or invisible character, or is not UTF-8');
  const segments = path.split('/');
  if (segments.length > PACKAGE_LIMITS.pathDepth) throw refuse(`is more than ${PACKAGE_LIMITS.pathDepth} folders deep`);
  for (const segment of segments) {
    if (segment === '') throw refuse('has an empty name');
    // What NFKC turns into dots or slashes (one-dot leader, full-width solidus) would pass for a plain name.
    const folded = segment.normalize('NFKC');
    if (folded === '.' || folded === '..') throw refuse('leaves its folder');
    if (/[/\\:]/.test(folded)) throw refuse('has a character that is equal to a separator in Unicode');
    if (RESERVED_SEGMENTS.has(folded)) throw refuse(`uses the reserved name "${folded}"`);
  }
  return path;
}

/** True for what editors and version control leave beside the sources: it is never part of a package. */
export function isIgnored(path: string): boolean {
  return path.split('/').some((name) => name.startsWith('.') || name.endsWith('~'));
}

/**
 * Sees that no two paths mean the same file on a file system that ignores case or normalises Unicode, and that none is
 * file and folder at once.
 */
export class PathRegistry {
  readonly #seen = new Map<string, { path: string; folder: boolean }>();

  /** @throws CodedError `package_invalid` */
  add(path: string, folder: boolean): void {
    for (let slash = path.indexOf('/'); slash !== -1; slash = path.indexOf('/', slash + 1)) {
      this.#claim(path.slice(0, slash), true);
    }
    const known = this.#claim(path, folder);
    if (known && !folder) throw packageInvalid(`The path ${quotePath(path)} is in the package twice`);
  }

  #claim(path: string, folder: boolean): boolean {
    // Upper then lower case, since some letters (ß, ſ, K) fold only one way.
    const key = path.normalize('NFKC').toUpperCase().toLowerCase().normalize('NFKC');
    const other = this.#seen.get(key);
    if (other === undefined) {
      this.#seen.set(key, { path, folder });
      return false;
    }
    if (other.path !== path) {
      throw packageInvalid(
        `The paths ${quotePath(other.path)} and ${quotePath(path)} differ only in case or Unicode form`,
      );
    }
    if (other.folder !== folder) throw packageInvalid(`The path ${quotePath(path)} is both a file and a folder`);
    return true;
  }
}
