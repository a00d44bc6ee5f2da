import { CodedError } from '../../sandbox-apis/_kit/errors.ts';
import type { Db } from '../db/client.ts';
import { type Manifest, parseManifest } from '../packages/manifest.ts';
import { type PackageFiles, readArchive, readFolder } from '../packages/read.ts';
import { PackageCache } from './package-cache.ts';
import type { Plugin } from './plugin.ts';
import { readPackage } from './store.ts';

/** The packages of installed plugins: of a folder as it is now, of an upload as it was stored. */
export class PluginPackages {
  readonly #db: Db;
  readonly #permissionPatterns: readonly string[];
  readonly #packages = new PackageCache();
  readonly #manifests = new WeakMap<PackageFiles, Manifest>();

  constructor(db: Db, permissionPatterns: readonly string[]) {
    this.#db = db;
    this.#permissionPatterns = permissionPatterns;
  }

  /** @throws CodedError `manifest_invalid` */
  manifestOf(pkg: PackageFiles): Manifest {
    let manifest = this.#manifests.get(pkg);
    if (manifest === undefined) {
      manifest = parseManifest(pkg, { permissionPatterns: this.#permissionPatterns });
      this.#manifests.set(pkg, manifest);
    }
    return manifest;
  }

  /** @throws CodedError `plugin_load_failed` when it is gone, or of reading it */
  async of(plugin: Plugin): Promise<PackageFiles> {
    const { row, folder } = plugin;
    if (row.source !== 'upload') {
      if (folder === null) throw new CodedError('plugin_load_failed', `The folder of ${row.name} is gone`);
      return readFolder(folder);
    }
    const pkg = await this.kept(row.packageDigest);
    if (pkg === null) throw new CodedError('plugin_load_failed', `The package of ${row.name} is gone`);
    return pkg;
  }

  /** A package that was uploaded once, by its digest; null when it is not kept. */
  async kept(digest: string): Promise<PackageFiles | null> {
    const cached = this.#packages.get(digest);
    if (cached !== undefined) return cached;
    const archive = await readPackage(this.#db, digest);
    if (archive === null) return null;
    const pkg = await readArchive(archive);
    this.#packages.add(pkg);
    return pkg;
  }
}
