import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

/** The package `@streamspace/sdk`, as build-types.ts wrote it. */
export const SDK_FOLDER = join(import.meta.dirname, 'types');

/**
 * The files of the package `@streamspace/sdk`, for whatever shows or checks a plugin's source: name -> text, sorted by
 * name. They stand by themselves: with `lib: ["ESNext"]` and index.d.ts a compiler knows exactly what a plugin has.
 */
export async function sdkFiles(): Promise<ReadonlyMap<string, string>> {
  const names = (await readdir(SDK_FOLDER)).sort();
  return new Map(
    await Promise.all(names.map(async (name) => [name, await readFile(join(SDK_FOLDER, name), 'utf8')] as const)),
  );
}
