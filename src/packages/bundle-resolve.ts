import { posix } from 'node:path';
import type { BaseFileSystem, ResolveRequest } from 'enhanced-resolve';
import { guestModule, missingModule } from './guest-modules.ts';
import type { PackageFiles } from './read.ts';
import { SDK_SOURCES } from './sdk-modules.ts';

/** Where an import leads: a file of the package, a virtual module, or nowhere with the reason. */
export type Resolution =
  | { readonly to: 'file'; readonly path: string; readonly sideEffects: boolean }
  | { readonly to: 'sdk' }
  | { readonly to: 'empty' }
  /** What the guest's `require` gives under that name. */
  | { readonly to: 'guest'; readonly name: string }
  /** `builtin`: it is a module of Node or Bun that a guest does not have. */
  | { readonly to: 'nowhere'; readonly reason: string; readonly builtin: boolean };

/** How an import is written: both forms can lead to different files of the same npm package. */
export type ImportForm = 'import' | 'require';

/** What npm packages call a server without Node, most fitting first; `default` matches always. */
const CONDITIONS = ['streamspace', 'workerd', 'worker', 'browser', 'module'];
/** Packages whose `browser` files need a DOM, which a guest has not, while the others work in it: they are taken as they are. */
const NEEDS_DOM = /(?:^|\/)node_modules\/@aws-sdk\/xml-builder\//;
const HAS_SCHEME = /^[A-Za-z][A-Za-z0-9+.-]*:/;

/**
 * Makes the resolver of one package: TypeScript's and Node's rules (extensions, index files, node_modules, `exports`,
 * `imports`, `browser`) over the package's files in memory. There is no other file system behind it.
 */
export async function createResolver(pkg: PackageFiles) {
  const { ResolverFactory } = await import('enhanced-resolve');
  const fileSystem = memoryFileSystem(pkg.files);
  const make = (form: ImportForm, aliasFields: string[]) =>
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
      aliasFields,
    });
  const resolvers = { import: make('import', ['browser']), require: make('require', ['browser']) };
  const withoutDom = { import: make('import', []), require: make('require', []) };

  return (specifier: string, importer: string, form: ImportForm): Resolution => {
    if (Object.hasOwn(SDK_SOURCES, specifier)) return { to: 'sdk' };
    const refusal = refuse(specifier, importer);
    if (refusal !== null) return { to: 'nowhere', reason: refusal, builtin: false };
    // The package's own files come first, as its node_modules do before the names without `node:`.
    let resolution = elsewhere(specifier);
    // The file system answers at once, so the callback has run when this returns.
    const resolver = (NEEDS_DOM.test(importer) ? withoutDom : resolvers)[form];
    resolver.resolve({}, `/${posix.dirname(importer)}`, specifier, {}, (_error, path, request) => {
      if (path === false) resolution = { to: 'empty' };
      else if (path !== undefined && pkg.files.has(path.slice(1))) {
        resolution = { to: 'file', path: path.slice(1), sideEffects: hasSideEffects(request) };
      }
    });
    return resolution;
  };
}

function elsewhere(specifier: string): Resolution {
  const name = guestModule(specifier);
  if (name !== null) return { to: 'guest', name };
  const reason = missingModule(specifier);
  if (reason !== null) return { to: 'nowhere', reason, builtin: true };
  const relative = specifier.startsWith('.');
  const missing = relative
    ? 'is not a file of the package'
    : 'is neither a file of the package nor in its node_modules';
  return { to: 'nowhere', reason: missing, builtin: false };
}

function refuse(specifier: string, importer: string): string | null {
  if (guestModule(specifier) !== null || missingModule(specifier) !== null) return null;
  if (HAS_SCHEME.test(specifier) || specifier.startsWith('//'))
    return 'is an address: only files of the package can be imported';
  if (specifier.startsWith('/') || specifier.includes('\\') || specifier.includes('\0'))
    return 'is not a relative path: only files of the package can be imported';
  const relative = specifier.startsWith('.') ? posix.join(posix.dirname(importer), specifier) : '';
  return relative === '..' || relative.startsWith('../') ? 'leads out of the package' : null;
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
