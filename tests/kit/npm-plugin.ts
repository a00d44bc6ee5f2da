import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { listPackage, reachedPackages } from '../../src/packages/dependencies.ts';
import { packArchive } from '../../src/packages/pack.ts';
import type { Api } from './api-client.ts';
import { install } from './plugin.ts';

/** Our own checkout: the packages under test are among its dependencies. */
const ROOT = fileURLToPath(new URL('../..', import.meta.url));

export interface NpmPluginOptions {
  /** Names of npm packages that the source imports; what they depend on comes along. */
  readonly packages: readonly string[];
  /** The plugin's `index.ts`. */
  readonly source: string;
  readonly permissions?: readonly string[];
  /** Its settings; the schema that allows them goes into the manifest. */
  readonly config?: Readonly<Record<string, string>>;
}

/** The package of a plugin with its node_modules, as `streamspace plugin pack` would write it. */
export async function npmPlugin(name: string, options: NpmPluginOptions): Promise<Uint8Array> {
  const { packages, source, permissions = [], config = {} } = options;
  const properties = Object.fromEntries(Object.keys(config).map((key) => [key, { type: 'string' }]));
  // What a package computes is not what is tested, nor how busy the machine is.
  const limits = { cpuMsPerCall: 10_000 };
  const facts = { name, version: '1.0.0', permissions, limits, configSchema: { type: 'object', properties } };
  const files = new Map<string, Uint8Array>([
    ['manifest.json', new TextEncoder().encode(JSON.stringify(facts))],
    ['index.ts', new TextEncoder().encode(source)],
  ]);
  for (const folder of (await reachedPackages(read, packages)) ?? []) {
    for (const path of await listPackage(ROOT, folder)) files.set(path, await readFile(join(ROOT, path)));
  }
  for (const wanted of packages) {
    if (!files.has(`node_modules/${wanted}/package.json`)) throw new Error(`${wanted} is not installed`);
  }
  return packArchive({ files, digest: '', bytes: 0 });
}

async function read(path: string): Promise<Uint8Array | null> {
  const file = Bun.file(join(ROOT, path));
  return (await file.exists()) ? file.bytes() : null;
}

/** Answers of a plugin's endpoints, which have to be `auth: 'public'`. */
export interface NpmPlugin {
  /** Its prefix: `http://.../api/plugins/<name>`. */
  readonly url: string;
  /** The JSON that `GET path` answers; with a body, `POST path`. @throws Error when the status is not 200 */
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers of many shapes
  ask(path: string, body?: unknown): Promise<any>;
}

/** Installs it, with all that it asks for. */
export async function installNpmPlugin(core: Api & { url: string }, name: string, options: NpmPluginOptions) {
  await install(core, await npmPlugin(name, options), options.config === undefined ? {} : { config: options.config });
  const url = `${core.url}/api/plugins/${name}`;
  const ask: NpmPlugin['ask'] = async (path, body) => {
    const answer = await core.api(body === undefined ? 'GET' : 'POST', `/api/plugins/${name}${path}`, {
      token: null,
      ...(body === undefined ? {} : { body }),
    });
    if (answer.status === 200) return answer.body;
    const why = answer.body?.errorId === undefined ? '' : await core.logged(name, answer.body.errorId);
    throw new Error(`${path} answers ${answer.status}: ${JSON.stringify(answer.body)} ${why}`);
  };
  return { url, ask } satisfies NpmPlugin;
}

/** The text of a plugin in `tests/packages/npm/plugins/`, where it is checked and formatted as code. */
export function pluginSource(file: string): Promise<string> {
  return readFile(join(ROOT, 'tests/packages/npm/plugins', file), 'utf8');
}
