import { chmod, copyFile, link, mkdir, mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { detectLayers, type Layer } from '../../src/host/confinement.ts';

/** What each layer needs to find in PATH; it has nothing of the ones before it then. */
const TOOLS: Readonly<Record<Layer, readonly string[]>> = {
  bubblewrap: ['bwrap', 'prlimit'],
  namespaces: ['unshare'],
  permission: [],
};

/** A machine that has no better layer than one: a PATH for a core, and a Bun that every account reaches. */
export interface Machine extends AsyncDisposable {
  readonly path: string;
  readonly bun: string;
}

/** The layers that this machine really has. */
export function layersHere(): Layer[] {
  return detectLayers().flatMap(({ layer, available }) => (available ? [layer] : []));
}

export async function machineWith(layer: Layer): Promise<Machine> {
  const folder = await mkdtemp(join(tmpdir(), 'streamspace-machine-'));
  await chmod(folder, 0o755);
  const path = join(folder, 'bin');
  await mkdir(path);
  // What the bundler's start script asks for.
  for (const tool of ['uname', 'dirname', 'env', ...TOOLS[layer]]) {
    const found = Bun.which(tool);
    if (found !== null) await symlink(found, join(path, tool));
  }
  const bun = join(folder, 'bun');
  // A link costs nothing, where the folders are of one file system.
  await link(process.execPath, bun).catch(() => copyFile(process.execPath, bun));
  return { path, bun, [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }) };
}
