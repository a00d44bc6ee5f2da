import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { packArchive } from '../../src/packages/pack.ts';
import { type PackageFiles, readFolder } from '../../src/packages/read.ts';
import type { Api, ApiAnswer } from './api-client.ts';

/** Files of a plugin by path; `manifest` is what its manifest.json has besides name and version. */
export interface PluginSource {
  readonly manifest?: Readonly<Record<string, unknown>>;
  readonly [path: string]: unknown;
}

export interface InstallOptions {
  readonly grants?: 'all' | readonly string[];
  readonly config?: object;
  readonly enable?: boolean;
  readonly downgrade?: boolean;
}

const FIXTURES = join(import.meta.dir, '../fixtures/plugins');

function filesOf({ manifest = {}, ...files }: PluginSource): [path: string, text: string][] {
  const facts = JSON.stringify({ name: 'test-plugin', version: '1.0.0', ...manifest });
  return [
    ['manifest.json', facts],
    ...Object.entries(files).map(([path, text]): [string, string] => [path, String(text)]),
  ];
}

/** A package as `streamspace plugin pack` would write it. */
export function pluginPackage(source: PluginSource): Promise<Uint8Array> {
  const files = new Map(filesOf(source).map(([path, text]) => [path, new TextEncoder().encode(text)]));
  return packArchive({ files, digest: '', bytes: 0 } satisfies PackageFiles);
}

/** The package of a folder below tests/fixtures/plugins, with other facts in its manifest where `manifest` has them. */
export async function fixturePackage(folder: string, manifest: object = {}): Promise<Uint8Array> {
  const { files, ...rest } = await readFolder(join(FIXTURES, folder));
  const facts = JSON.parse(new TextDecoder().decode(files.get('manifest.json'))) as object;
  const changed = new TextEncoder().encode(JSON.stringify({ ...facts, ...manifest }));
  return packArchive({ ...rest, files: new Map([...files, ['manifest.json', changed]]) });
}

/** Writes the files of a plugin into a folder, made if need be; files that are there and not named stay. */
export async function writePlugin(folder: string, source: PluginSource): Promise<void> {
  for (const [path, text] of filesOf(source)) {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), text);
  }
}

/** A temporary folder, for plugin folders; gone when it is disposed of. */
export async function tempFolder(): Promise<AsyncDisposable & { readonly path: string }> {
  const path = await mkdtemp(join(tmpdir(), 'streamspace-plugins-'));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}

/** Uploads a package: bytes, the source of one, or the name of a fixture. Answers whatever the core answers. */
export async function tryInstall(
  core: Api,
  plugin: Uint8Array | PluginSource | string,
  options: InstallOptions = {},
): Promise<ApiAnswer> {
  const archive =
    typeof plugin === 'string'
      ? await fixturePackage(plugin)
      : plugin instanceof Uint8Array
        ? plugin
        : await pluginPackage(plugin);
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(options)) {
    query.set(name, typeof value === 'string' ? value : JSON.stringify(value));
  }
  const headers = { 'content-type': 'application/gzip' };
  return core.api('POST', `/api/plugins/install?${query}`, { body: archive, headers });
}

/** Uploads a package that has to be accepted; answers the installed plugin. Grants what it asks for. */
export async function install(
  core: Api,
  plugin: Uint8Array | PluginSource | string,
  options: InstallOptions = {},
): Promise<ApiAnswer['body']> {
  const answer = await tryInstall(core, plugin, { grants: 'all', ...options });
  if (answer.status !== 201) throw new Error(`the install answers ${answer.status}: ${JSON.stringify(answer.body)}`);
  return answer.body;
}
