import type { PackageFiles } from '../packages/read.ts';

/** Bytes of unpacked packages that are kept: the few that are reloaded, or restarted after a crash, all the time. */
const MAX_BYTES = 32 * 1024 * 1024;

/** The packages of uploads that were read last, by digest: their archive need not be unpacked for each load. */
export class PackageCache {
  readonly #packages = new Map<string, PackageFiles>();
  #bytes = 0;

  get(digest: string): PackageFiles | undefined {
    const found = this.#packages.get(digest);
    if (found !== undefined) {
      // The one that was used last is dropped last.
      this.#packages.delete(digest);
      this.#packages.set(digest, found);
    }
    return found;
  }

  add(pkg: PackageFiles): void {
    if (pkg.bytes > MAX_BYTES || this.#packages.has(pkg.digest)) return;
    this.#packages.set(pkg.digest, pkg);
    this.#bytes += pkg.bytes;
    for (const [digest, oldest] of this.#packages) {
      if (this.#bytes <= MAX_BYTES) return;
      this.#packages.delete(digest);
      this.#bytes -= oldest.bytes;
    }
  }
}
