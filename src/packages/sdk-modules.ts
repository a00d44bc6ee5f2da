import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { SDK_FOLDER } from '../sdk/files.ts';

/**
 * The modules of the SDK that a plugin may import, by their names: JavaScript. What they import themselves is found in the
 * plugin's own packages.
 */
export const SDK_SOURCES: Readonly<Record<string, string>> = {
  '@streamspace/sdk': readFileSync(join(SDK_FOLDER, 'index.js'), 'utf8'),
  '@streamspace/sdk/kysely': readFileSync(join(SDK_FOLDER, 'kysely.js'), 'utf8'),
};
