import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CONTRACTS } from '../broker/rooms.ts';
import { createLog } from '../log.ts';
import { type Bundle, createBundler } from '../packages/bundle.ts';
import { askedModules } from '../packages/guest-modules.ts';
import { type Manifest, parseManifest } from '../packages/manifest.ts';
import { packArchive } from '../packages/pack.ts';
import { type PackageFiles, readFolder } from '../packages/read.ts';
import { PermissionCatalog } from '../permissions/grants.ts';
import { note, paint, printable } from './terminal.ts';

export interface Packed {
  readonly manifest: Manifest;
  readonly archive: Uint8Array<ArrayBuffer>;
  readonly files: number;
  /** Bytes of all files. */
  readonly bytes: number;
}

/** Reads a package's manifest by the same rules as the host. Errors: `manifest_invalid`. */
export function readManifest(pkg: PackageFiles): Manifest {
  return parseManifest(pkg, { permissionPatterns: new PermissionCatalog(CONTRACTS).patterns });
}

/** `<name>-<version>.tar.gz`. */
export function archiveName({ name, version }: Manifest): string {
  return `${name}-${version}.tar.gz`;
}

/**
 * Packs a folder after checking it as the host would: manifest, paths, and that its code can be bundled.
 * Errors: `package_invalid`, `package_too_large`, `manifest_invalid`, `bundle_failed`.
 */
export async function packFolder(folder: string): Promise<Packed> {
  const pkg = await readFolder(folder);
  const manifest = readManifest(pkg);
  const { code, warnings } = await trialBundle(pkg, manifest);
  for (const warning of warnings) note(`${paint('yellow', 'warning:', process.stderr)} ${printable(warning)}`);
  const modules = askedModules(code);
  if (modules.length > 0) note(`Node modules: ${modules.join(', ')} (docs/authors/node-compatibility.md)`);
  const archive = new Uint8Array(await packArchive(pkg));
  return { manifest, archive, files: pkg.files.size, bytes: pkg.bytes };
}

async function trialBundle(pkg: PackageFiles, manifest: Manifest): Promise<Bundle> {
  const cacheDir = await mkdtemp(join(tmpdir(), 'streamspace-pack-'));
  const bundler = createBundler({ cacheDir, log: createLog('silent') });
  try {
    return await bundler.bundle(pkg, manifest);
  } finally {
    await bundler.stop();
    await rm(cacheDir, { recursive: true, force: true });
  }
}
