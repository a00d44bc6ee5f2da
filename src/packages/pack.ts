import { buffer } from 'node:stream/consumers';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { pack } from 'tar-stream';
import type { PackageFiles } from './read.ts';

/** Where the gzip header names the operating system (RFC 1952, 2.3); 255 says unknown, the same everywhere. */
const GZIP_OS_BYTE = 9;

/**
 * Packs the files into a `.tar.gz`: sorted, without times or owners, so that equal packages give equal archives.
 * @returns the archive, which `readArchive` turns back into a package of the same digest
 */
export async function packArchive(pkg: PackageFiles): Promise<Uint8Array> {
  const tar = pack();
  for (const [name, content] of pkg.files) {
    tar.entry({ name, mode: 0o644, mtime: new Date(0), uid: 0, gid: 0, type: 'file' }, Buffer.from(content));
  }
  tar.finalize();
  const archive = await promisify(gzip)(await buffer(tar), { level: 9 });
  archive[GZIP_OS_BYTE] = 255;
  return archive;
}
