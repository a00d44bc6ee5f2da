import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { sdkFiles } from '../sdk/files.ts';

/** Where the editor of a plugin finds `@streamspace/sdk`, relative to the plugin's folder. */
export const SDK_PLACE = 'node_modules/@streamspace/sdk';

/** Writes the package `@streamspace/sdk` into the folder of a plugin, over an older one. */
export async function writeSdk(folder: string): Promise<void> {
  const place = join(folder, SDK_PLACE);
  await mkdir(place, { recursive: true });
  for (const [name, text] of await sdkFiles()) await writeFile(join(place, name), text);
}
