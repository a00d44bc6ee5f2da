import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { writeSdk } from '../../src/cli/sdk-types.ts';

const MODULES = fileURLToPath(new URL('../../node_modules', import.meta.url));
/** As `plugin create` writes it, so that what is checked is what authors have. */
const TSCONFIG = {
  compilerOptions: {
    target: 'ESNext',
    module: 'Preserve',
    moduleResolution: 'bundler',
    lib: ['ESNext'],
    types: ['@streamspace/sdk'],
    strict: true,
    noUncheckedIndexedAccess: true,
    exactOptionalPropertyTypes: true,
    allowImportingTsExtensions: true,
    moduleDetection: 'force',
    skipLibCheck: true,
    noEmit: true,
  },
  include: ['.'],
};

export interface Checked {
  /** What the compiler says, a line each; empty when all is well. */
  readonly errors: readonly string[];
}

/**
 * Checks files as the compiler of a plugin's author does: in a folder of their own, with `@streamspace/sdk` alone.
 *
 * @param packages npm packages of this repository that the files import
 */
export async function checkAsPlugin(
  files: ReadonlyMap<string, string>,
  packages: Iterable<string> = [],
): Promise<Checked> {
  const folder = await mkdtemp(join(tmpdir(), 'streamspace-types-'));
  try {
    await writeSdk(folder);
    await writeFile(join(folder, 'tsconfig.json'), JSON.stringify(TSCONFIG));
    for (const name of packages) {
      const place = join(folder, 'node_modules', name);
      await mkdir(dirname(place), { recursive: true });
      await symlink(join(MODULES, name), place);
    }
    for (const [name, text] of files) await writeFile(join(folder, name), text);
    const { stdout } = Bun.spawnSync([join(MODULES, '.bin/tsc'), '-p', folder]);
    return {
      errors: stdout
        .toString()
        .trimEnd()
        .split('\n')
        .filter((line) => line !== ''),
    };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
