import { lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { LOADERS } from './bundle-build.ts';
import { isIgnored, packageInvalid, quotePath } from './paths.ts';

/** Bytes of a file below the plugin's folder, or null when it is not there. */
export type ReadFile = (path: string) => Promise<Uint8Array | null>;

type Dependencies = Readonly<Record<string, unknown>>;
interface NpmManifest {
  readonly dependencies?: Dependencies;
  readonly optionalDependencies?: Dependencies;
  readonly peerDependencies?: Dependencies;
}

/** A name that npm would take, and that stays in its folder. */
const PACKAGE_NAME = /^(?:@[\w-][\w.-]*\/)?[\w-][\w.-]*$/;
const DECLARATIONS = /\.d\.[mc]?ts$/;
/** Whoever passes a package on passes these on with it. */
const LICENCE = /^(?:licen[cs]e|copying|notice)/i;

/**
 * The npm packages that a plugin needs when it runs: what its package.json names under `dependencies`,
 * `optionalDependencies` and `peerDependencies`, and what those name, found as Node does.
 *
 * @param names in place of what the package.json names
 * @returns folders such as `node_modules/zod`, sorted; null when there is no package.json to say it
 * @throws CodedError `package_invalid`: a package.json is not JSON
 */
export async function reachedPackages(read: ReadFile, names?: readonly string[]): Promise<readonly string[] | null> {
  const own = await readManifest(read, 'package.json');
  if (own === null) return null;
  const reached = new Set<string>();
  const pending = [{ from: '', names: names ?? namesOf(own) }];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    for (const name of next.names) {
      const found = await locate(read, next.from, name);
      if (found === null || reached.has(found.path)) continue;
      reached.add(found.path);
      pending.push({ from: found.path, names: namesOf(found.manifest) });
    }
  }
  return [...reached].sort();
}

/** A package that is not there is said by the bundler, where it is imported: an optional one need not be. */
async function locate(read: ReadFile, from: string, name: string) {
  if (!PACKAGE_NAME.test(name)) return null;
  for (let folder = from; ; folder = folder.slice(0, Math.max(folder.lastIndexOf('/node_modules/'), 0))) {
    const path = `${folder === '' ? '' : `${folder}/`}node_modules/${name}`;
    const manifest = await readManifest(read, `${path}/package.json`);
    if (manifest !== null) return { path, manifest };
    if (folder === '') return null;
  }
}

function namesOf({ dependencies, optionalDependencies, peerDependencies }: NpmManifest): string[] {
  return Object.keys({ ...dependencies, ...optionalDependencies, ...peerDependencies });
}

async function readManifest(read: ReadFile, path: string): Promise<NpmManifest | null> {
  const bytes = await read(path);
  if (bytes === null) return null;
  try {
    const manifest: unknown = JSON.parse(new TextDecoder().decode(bytes));
    if (typeof manifest === 'object' && manifest !== null) return manifest;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  throw packageInvalid(`The file ${quotePath(path)} is not a JSON object`);
}

/**
 * Files of one npm package that a plugin's package takes along: what a bundle can take in, and the licence.
 *
 * @param path its folder, as `reachedPackages` names it
 * @throws CodedError `package_invalid`: it is a link, or a link leads to it
 */
export async function listPackage(dir: string, path: string): Promise<string[]> {
  for (let slash = path.indexOf('/'); slash !== -1; slash = path.indexOf('/', slash + 1)) {
    await assertFolder(dir, path.slice(0, slash));
  }
  await assertFolder(dir, path);
  const files: string[] = [];
  const walk = async (folder: string): Promise<void> => {
    const folders: string[] = [];
    for (const entry of await readdir(join(dir, folder), { withFileTypes: true })) {
      if (isIgnored(entry.name) || entry.name === 'node_modules') continue;
      if (entry.isDirectory()) folders.push(`${folder}/${entry.name}`);
      else if (entry.isFile() && isTaken(entry.name)) files.push(`${folder}/${entry.name}`);
    }
    await Promise.all(folders.map(walk));
  };
  await walk(path);
  return files;
}

async function assertFolder(dir: string, path: string): Promise<void> {
  if ((await lstat(join(dir, path))).isDirectory()) return;
  throw packageInvalid(
    `${quotePath(path)} is a link: install the dependencies as plain folders (npm install, bun install --linker hoisted)`,
  );
}

function isTaken(name: string): boolean {
  if (LICENCE.test(name)) return true;
  const extension = name.slice(name.lastIndexOf('.') + 1);
  // Documents have a loader too, for the plugin's own; those of npm packages are never imported.
  return extension !== 'md' && Object.hasOwn(LOADERS, extension) && !DECLARATIONS.test(name);
}
