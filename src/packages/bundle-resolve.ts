import { isBuiltin } from 'node:module';
import { posix } from 'node:path';
import type { BaseFileSystem, ResolveRequest } from 'enhanced-resolve';
import type { PackageFiles } from './read.ts';

/** Where an import leads: a file of the package, a virtual module, or nowhere with the reason. */
export type Resolution =
  | { readonly to: 'file'; readonly path: string; readonly sideEffects: boolean }
  | { readonly to: 'sdk' }
  | { readonly to: 'empty' }
  | { readonly to: 'nowhere'; readonly reason: string };

/** How an import is written: both forms can lead to different files of the same npm package. */
export type ImportForm = 'import' | 'require';

const SDK = '@streamspace/sdk';
/** What npm packages call a server without Node, most fitting first; `default` matches always. */
const CONDITIONS = ['streamspace', 'workerd', 'worker', 'browser', 'module'];
const HAS_SCHEME = /^[A-Za-z][A-Za-z0-9+.-]*:/;

/**
 * Makes the resolver of one package: TypeScript's and Node's rules (extensions, index files, node_modules, `exports`,
 * `imports`, `browser`) over the package's files in memory. There is no other file system behind it.
 */
export async function createResolver(pkg: PackageFiles) {
  const { ResolverFactory } = await import('enhanced-resolve');
  const fileSystem = memoryFileSystem(pkg.files);
  const make = (form: ImportForm) =>
    ResolverFactory.createResolver({
      fileSystem,
      symlinks: false,
      roots: [],
      modules: ['node_modules'],
      extensions: ['.ts', '.tsx', '.mts', '.cts', '.js', '.jsx', '.mjs', '.cjs', '.json'],
      extensionAlias: {
        '.js': ['.js', '.ts', '.tsx'],
        '.jsx': ['.jsx', '.tsx'],
        '.mjs': ['.mjs', '.mts'],
        '.cjs': ['.cjs', '.cts'],
      },
      conditionNames: [...CONDITIONS, form],
      mainFields: ['browser', 'module', 'main'],
      aliasFields: ['browser'],
    });
  const resolvers = { import: make('import'), require: make('require') };

  return (specifier: string, importer: string, form: ImportForm): Resolution => {
    if (specifier === SDK) return { to: 'sdk' };
    const refusal = refuse(specifier, importer);
    if (refusal !== null) return { to: 'nowhere', reason: refusal };
    let resolution: Resolution = { to: 'nowhere', reason: missing(specifier) };
    // The file system answers at once, so the callback has run when this returns.
    resolvers[form].resolve({}, `/${posix.dirname(importer)}`, specifier, {}, (_error, path, request) => {
      if (path === false) resolution = { to: 'empty' };
      else if (path !== undefined && pkg.files.has(path.slice(1))) {
        resolution = { to: 'file', path: path.slice(1), sideEffects: hasSideEffects(request) };
      }
    });
    return resolution;
  };
}

function refuse(specifier: string, importer: string): string | null {
  if (specifier.startsWith('node:') || specifier.startsWith('bun:')) return missing(specifier);
  if (HAS_SCHEME.test(specifier) || specifier.startsWith('//'))
    return 'is an address: only files of the package can be imported';
  if (specifier.startsWith('/') || specifier.includes('\\') || specifier.includes('\0'))
    return 'is not a relative path: only files of the package can be imported';
  const relative = specifier.startsWith('.') ? posix.join(posix.dirname(importer), specifier) : '';
  return relative === '..' || relative.startsWith('../') ? 'leads out of the package' : null;
}

function missing(specifier: string): string {
  if (specifier.startsWith('.')) return 'is not a file of the package';
  if (isBuiltin(specifier))
    return 'is a module of Node or Bun: a plugin has the web platform and the sandbox APIs instead';
  return 'is neither a file of the package nor in its node_modules';
}

function hasSideEffects(request: ResolveRequest | undefined): boolean {
  const description: { sideEffects?: unknown } | undefined = request?.descriptionFileData;
  return description?.sideEffects !== false;
}

function memoryFileSystem(files: ReadonlyMap<string, Uint8Array>): BaseFileSystem {
  const folders = new Set(['/']);
  for (const path of files.keys()) {
    for (let folder = posix.dirname(`/${path}`); !folders.has(folder); folder = posix.dirname(folder))
      folders.add(folder);
  }
  type Done<T> = (error: NodeJS.ErrnoException | null, value?: T) => void;
  const absent = (path: string) => Object.assign(new Error(`ENOENT: ${path}`), { code: 'ENOENT' });
  const system = {
    stat(path: string, options: unknown, done?: Done<unknown>) {
      const callback = (done ?? options) as Done<unknown>;
      const isFile = files.has(path.slice(1));
      if (!isFile && !folders.has(path)) callback(absent(path));
      else callback(null, { isFile: () => isFile, isDirectory: () => !isFile });
    },
    readFile(path: string, options: unknown, done?: Done<unknown>) {
      const callback = (done ?? options) as Done<unknown>;
      const content = files.get(path.slice(1));
      if (content === undefined) callback(absent(path));
      else callback(null, Buffer.from(content.buffer, content.byteOffset, content.byteLength));
    },
    readdir: (path: string, options: unknown, done?: Done<unknown>) =>
      ((done ?? options) as Done<unknown>)(absent(path)),
    readlink: (path: string, options: unknown, done?: Done<unknown>) =>
      ((done ?? options) as Done<unknown>)(absent(path)),
  };
  return system as unknown as BaseFileSystem;
}
