import { createHash } from 'node:crypto';
import { PACKAGE_LIMITS } from './limits.ts';
import { cleanPath, isIgnored, PathRegistry, packageInvalid, packageTooLarge, quotePath } from './paths.ts';
import type { PackageFiles } from './read.ts';

/** Collects the files of a package under its caps, whichever way they come in. */
export class FileCollector {
  readonly #files = new Map<string, Uint8Array>();
  readonly #paths = new PathRegistry();
  #entries = 0;
  #bytes = 0;

  /** Takes a folder. @throws CodedError `package_invalid`, `package_too_large` */
  addFolder(rawPath: string): void {
    const path = this.#admit(rawPath);
    if (path !== '') this.#paths.add(path, true);
  }

  /**
   * Makes room for a file.
   * @returns what to call with its content, or null when such a file is left out.
   * @throws CodedError `package_invalid`, `package_too_large`
   */
  addFile(rawPath: string, size: number): ((content: Uint8Array) => void) | null {
    const path = this.#admit(rawPath);
    if (path === '') throw packageInvalid(`The path ${quotePath(rawPath)} is not a file`);
    if (size > PACKAGE_LIMITS.fileBytes) throw fileTooLarge(path);
    this.#bytes += size;
    if (this.#bytes > PACKAGE_LIMITS.unpackedBytes) throw unpackedTooLarge();
    this.#paths.add(path, false);
    if (isIgnored(path)) {
      this.#bytes -= size;
      return null;
    }
    return (content) => this.#files.set(path, content);
  }

  /** The package: paths sorted, the single folder that archives like npm's are wrapped in taken off. */
  finish(): PackageFiles {
    const wrapper = this.#wrapper();
    const paths = [...this.#files.keys()].sort();
    const files = new Map<string, Uint8Array>();
    for (const path of paths) files.set(path.slice(wrapper.length), this.#files.get(path) as Uint8Array);
    return { files, digest: digestFiles(files), bytes: this.#bytes };
  }

  #admit(rawPath: string): string {
    this.#entries += 1;
    if (this.#entries > PACKAGE_LIMITS.entries) {
      throw packageTooLarge(
        `The package has more than ${PACKAGE_LIMITS.entries} files and folders`,
        PACKAGE_LIMITS.entries,
      );
    }
    return cleanPath(rawPath);
  }

  #wrapper(): string {
    if (this.#files.has('manifest.json')) return '';
    const [first] = this.#files.keys();
    const prefix = first?.slice(0, first.indexOf('/') + 1) ?? '';
    if (prefix === '' || !this.#files.has(`${prefix}manifest.json`)) return '';
    for (const path of this.#files.keys()) if (!path.startsWith(prefix)) return '';
    return prefix;
  }
}

export function fileTooLarge(path: string) {
  return packageTooLarge(
    `The file ${quotePath(path)} is over ${PACKAGE_LIMITS.fileBytes} bytes`,
    PACKAGE_LIMITS.fileBytes,
  );
}

export function unpackedTooLarge() {
  return packageTooLarge(
    `The package unpacks to more than ${PACKAGE_LIMITS.unpackedBytes} bytes`,
    PACKAGE_LIMITS.unpackedBytes,
  );
}

/** SHA-256 (hex) over path, length and content of each file in order; no path holds a NUL, so no two lists are alike. */
function digestFiles(files: ReadonlyMap<string, Uint8Array>): string {
  const hash = createHash('sha256').update('streamspace-package-1\n');
  for (const [path, content] of files) hash.update(`${path}\0${content.byteLength}\n`).update(content);
  return hash.digest('hex');
}
