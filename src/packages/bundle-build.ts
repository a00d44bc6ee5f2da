import type {
  BuildOptions,
  Loader,
  OnLoadResult,
  OnResolveArgs,
  OnResolveResult,
  PartialMessage,
  Plugin,
} from 'esbuild';
import { bundleFailed, formatIssue, NAMESPACE, plainIssue, toIssue, toIssues } from './bundle-errors.ts';
import { createResolver, type Resolution } from './bundle-resolve.ts';
import type { Esbuild } from './bundle-service.ts';
import { hideSourceMaps } from './bundle-source.ts';
import { BUNDLE_LIMITS } from './limits.ts';
import type { PackageFiles } from './read.ts';

/** All that esbuild is told, but the entry and the plugin; part of the cache's key. */
export const BUILD_OPTIONS = {
  bundle: true,
  write: false,
  format: 'cjs',
  platform: 'neutral',
  target: 'esnext',
  // V8 has no decorators yet.
  supported: { decorators: false },
  define: { 'process.env.NODE_ENV': '"production"', global: 'globalThis' },
  // Given, so that none is looked for.
  tsconfigRaw: {
    compilerOptions: {
      target: 'ESNext',
      useDefineForClassFields: true,
      jsx: 'react',
      jsxFactory: 'h',
      jsxFragmentFactory: 'Fragment',
    },
  },
  outdir: '/',
  absWorkingDir: '/',
  sourcemap: 'external',
  sourcesContent: true,
  legalComments: 'none',
  logLevel: 'silent',
  logOverride: { 'unsupported-dynamic-import': 'warning', 'unsupported-require-call': 'warning' },
} satisfies BuildOptions;

/** A name that no file on a disk has, since esbuild looks for its entry there before it asks a plugin. */
const ENTRY = 'streamspace:entry';
const SDK_SOURCE = 'export const definePlugin = (plugin) => plugin;\n';
const LOADERS: Readonly<Record<string, Loader>> = {
  ts: 'ts',
  mts: 'ts',
  cts: 'ts',
  tsx: 'tsx',
  js: 'js',
  mjs: 'js',
  cjs: 'js',
  jsx: 'jsx',
  json: 'json',
  txt: 'text',
  md: 'text',
  html: 'text',
  css: 'text',
  svg: 'text',
  sql: 'text',
};
const CODE_LOADERS: readonly Loader[] = ['ts', 'tsx', 'js', 'jsx'];
const IN_NODE_MODULES = /(?:^|\/)node_modules\//;

export interface Built {
  readonly code: string;
  readonly map: string;
  readonly warnings: readonly string[];
}

/**
 * Bundles a package from its entry with esbuild. Every path is resolved and every byte is given by our plugin, from the
 * files in memory.
 * @throws CodedError `bundle_failed`
 */
export async function build(esbuild: Esbuild, pkg: PackageFiles, entry: string): Promise<Built> {
  const plugin = await packagePlugin(pkg, entry);
  const result = await esbuild.build({ ...BUILD_OPTIONS, entryPoints: [ENTRY], plugins: [plugin] }).catch((error) => {
    if (Array.isArray(error?.errors)) throw bundleFailed(toIssues(error.errors));
    throw error;
  });
  const code = result.outputFiles.find((file) => file.path.endsWith('.js'))?.contents ?? new Uint8Array();
  const map = result.outputFiles.find((file) => file.path.endsWith('.map'))?.contents ?? new Uint8Array();
  checkSize('bundled code', code.byteLength, BUNDLE_LIMITS.outputBytes);
  checkSize('source map', map.byteLength, BUNDLE_LIMITS.mapBytes);
  return {
    code: Buffer.from(code).toString(),
    map: ownPaths(Buffer.from(map).toString()),
    warnings: result.warnings.slice(0, BUNDLE_LIMITS.messages).map((message) => formatIssue(toIssue(message))),
  };
}

function checkSize(what: string, bytes: number, limit: number): void {
  if (bytes > limit) throw bundleFailed([plainIssue(`The ${what} is larger than ${limit} bytes`)]);
}

/** Sources relative to the package's root instead of esbuild's `pkg:index.ts`. */
function ownPaths(json: string): string {
  const map: { sources: string[] } = JSON.parse(json);
  map.sources = map.sources.map((source) => source.replace(/^(?:\.\.\/)*pkg:/, ''));
  return JSON.stringify(map);
}

async function packagePlugin(pkg: PackageFiles, entry: string): Promise<Plugin> {
  const resolve = await createResolver(pkg);
  let bytes = 0;
  let modules = 0;
  const load = (path: string): OnLoadResult => {
    const source = pkg.files.get(path);
    const loader = LOADERS[path.slice(path.lastIndexOf('.') + 1)];
    if (source === undefined) return failure('is not a file of the package');
    if (loader === undefined)
      return failure(`${path} is of a kind that cannot be bundled; known are ${Object.keys(LOADERS).join(', ')}`);
    bytes += source.byteLength;
    modules += 1;
    if (bytes > BUNDLE_LIMITS.inputBytes) return failure(`The source is larger than ${BUNDLE_LIMITS.inputBytes} bytes`);
    if (modules > BUNDLE_LIMITS.modules) return failure(`The source has more than ${BUNDLE_LIMITS.modules} modules`);
    if (!CODE_LOADERS.includes(loader)) return { contents: source, loader };
    return { contents: hideSourceMaps(source), loader };
  };
  return {
    name: 'package',
    setup(hooks) {
      hooks.onResolve({ filter: /.*/ }, (args) => {
        if (args.kind === 'entry-point') return { path: entry, namespace: NAMESPACE };
        return answer(
          args,
          resolve(
            args.path,
            args.importer,
            args.kind === 'require-call' || args.kind === 'require-resolve' ? 'require' : 'import',
          ),
        );
      });
      // One hook for every namespace: whatever the rules above did not foresee ends in an error, never on the disk.
      hooks.onLoad({ filter: /.*/ }, (args) => {
        if (args.namespace === NAMESPACE) return load(args.path);
        if (args.namespace === 'sdk') return { contents: SDK_SOURCE, loader: 'js' };
        if (args.namespace === 'empty') return { contents: 'module.exports = {};', loader: 'js' };
        if (args.namespace === 'absent') return { contents: absentModule(args.path), loader: 'js' };
        return failure('Only files of the package can be bundled');
      });
    },
  };
}

function answer(args: OnResolveArgs, resolution: Resolution): OnResolveResult {
  const type = args.with.type;
  if (Object.keys(args.with).length > 0 && !(type === 'json' && args.path.endsWith('.json'))) {
    return failure(
      `"${args.path}" is imported with attributes (${JSON.stringify(args.with)}): only { type: "json" } of a .json file is known`,
    );
  }
  if (args.kind === 'require-resolve') return failure('require.resolve() is not available in a plugin');
  switch (resolution.to) {
    case 'file':
      return { path: resolution.path, namespace: NAMESPACE, sideEffects: resolution.sideEffects };
    case 'sdk':
    case 'empty':
      return { path: args.path, namespace: resolution.to };
    case 'nowhere': {
      const text = `"${args.path}" ${resolution.reason}`;
      // Many npm packages try a module with require() and go on without it: it throws there, and not before.
      if (args.kind === 'require-call' && IN_NODE_MODULES.test(args.importer)) {
        return { path: args.path, namespace: 'absent', warnings: [{ text }] };
      }
      return failure(text);
    }
  }
}

function absentModule(path: string): string {
  const message = JSON.stringify(`Cannot find module ${JSON.stringify(path)}: it is not in the package`);
  return `throw Object.assign(new Error(${message}), { code: 'MODULE_NOT_FOUND' });`;
}

function failure(text: string): { errors: PartialMessage[] } {
  return { errors: [{ text }] };
}
