import type {
  BuildOptions,
  BuildResult,
  ImportKind,
  Loader,
  OnLoadResult,
  OnResolveArgs,
  OnResolveResult,
  PartialMessage,
  Plugin,
} from 'esbuild';
import { KEEPS_CONTEXT } from '../../runtime/protocol/node-modules.ts';
import { bundleFailed, formatIssue, NAMESPACE, plainIssue, toIssue, toIssues } from './bundle-errors.ts';
import { createResolver, type Resolution } from './bundle-resolve.ts';
import type { Esbuild } from './bundle-service.ts';
import { hideSourceMaps } from './bundle-source.ts';
import { NODE_GLOBALS } from './guest-modules.ts';
import { BUNDLE_LIMITS } from './limits.ts';
import type { PackageFiles } from './read.ts';
import { SDK_SOURCES } from './sdk-modules.ts';

/** What stands in a bundle before the names of NODE_GLOBALS that it uses: its global scope has none of them. */
const GLOBALS = '__streamspace_node';
/** All that esbuild is told, but the entry and the plugin; part of the cache's key. */
export const BUILD_OPTIONS = {
  bundle: true,
  write: false,
  format: 'cjs',
  platform: 'neutral',
  target: 'esnext',
  // V8 has no decorators yet.
  supported: { decorators: false },
  define: {
    'process.env.NODE_ENV': '"production"',
    global: 'globalThis',
    ...Object.fromEntries(Object.keys(NODE_GLOBALS).map((name) => [name, `${GLOBALS}.${name}`])),
  },
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
  logOverride: {
    'unsupported-dynamic-import': 'warning',
    'unsupported-require-call': 'warning',
    // Said of npm packages that import a module of types.
    'ignored-bare-import': 'silent',
  },
} satisfies BuildOptions;

/** The same for a bundle that asks for AsyncLocalStorage: only such pay for it. */
export const CONTEXT_OPTIONS = {
  ...BUILD_OPTIONS,
  supported: { ...BUILD_OPTIONS.supported, ...KEEPS_CONTEXT },
} satisfies BuildOptions;
const ASKS_FOR_CONTEXT = 'require("node:async_hooks")';

/** A name that no file on a disk has, since esbuild looks for its entry there before it asks a plugin. */
const ENTRY = 'streamspace:entry';
export const LOADERS: Readonly<Record<string, Loader>> = {
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
const MAYBE_READY: readonly ImportKind[] = ['require-call', 'dynamic-import'];
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
  const first = await run(esbuild, pkg, entry, BUILD_OPTIONS);
  if (!first.code.includes(ASKS_FOR_CONTEXT)) return first;
  return run(esbuild, pkg, entry, CONTEXT_OPTIONS);
}

async function run(esbuild: Esbuild, pkg: PackageFiles, entry: string, options: BuildOptions): Promise<Built> {
  const plugin = await packagePlugin(pkg, entry);
  const result = await esbuild.build({ ...options, entryPoints: [ENTRY], plugins: [plugin] }).catch((error) => {
    if (Array.isArray(error?.errors)) throw bundleFailed(toIssues(error.errors, pkg.files));
    throw error;
  });
  const code = fileOf(result, '.js');
  const map = fileOf(result, '.map');
  checkSize('bundled code', code.byteLength, BUNDLE_LIMITS.outputBytes);
  checkSize('source map', map.byteLength, BUNDLE_LIMITS.mapBytes);
  const text = Buffer.from(code).toString();
  const before = globalsOf(text);
  return {
    code: before + text,
    map: ownMap(Buffer.from(map).toString(), before === '' ? 0 : 1),
    warnings: result.warnings
      .slice(0, BUNDLE_LIMITS.messages)
      .map((message) => formatIssue(toIssue(message, pkg.files))),
  };
}

/** The line that gives the code the global names of Node that it uses. */
function globalsOf(code: string): string {
  const used = Object.entries(NODE_GLOBALS).filter(([name]) => code.includes(`${GLOBALS}.${name}`));
  const getters = used.map(([name, [module, member]]) => {
    const value = `require("node:${module}")${member === undefined ? '' : `.${member}`}`;
    return `get ${name}() { return ${value}; }`;
  });
  return getters.length === 0 ? '' : `const ${GLOBALS} = { ${getters.join(', ')} };\n`;
}

function fileOf({ outputFiles = [] }: BuildResult, suffix: string): Uint8Array {
  return outputFiles.find((file) => file.path.endsWith(suffix))?.contents ?? new Uint8Array();
}

function checkSize(what: string, bytes: number, limit: number): void {
  if (bytes > limit) throw bundleFailed([plainIssue(`The ${what} is larger than ${limit} bytes`)]);
}

/** Sources relative to the package's root instead of esbuild's `pkg:index.ts`; `before` lines stand before the code. */
function ownMap(json: string, before: number): string {
  const map: { sources: string[]; mappings: string } = JSON.parse(json);
  map.mappings = ';'.repeat(before) + map.mappings;
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
        if (args.namespace === 'guest') return { path: args.path, external: true };
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
        if (args.namespace === 'sdk') return { contents: SDK_SOURCES[args.path] ?? '', loader: 'js' };
        // A module of its own, so that its first use loads it and import() finds it.
        if (args.namespace === 'guest') return { contents: `module.exports = require('${args.path}')`, loader: 'js' };
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
    case 'guest':
      return { path: resolution.name, namespace: 'guest', sideEffects: false };
    case 'nowhere': {
      const text = `"${args.path}" ${resolution.reason}`;
      if (!IN_NODE_MODULES.test(args.importer)) return failure(text);
      // Without a path esbuild decides by where it stands: an error, unless the package is ready for one (`try`, `catch`).
      // It has no folder to look for the module in.
      if (resolution.builtin && MAYBE_READY.includes(args.kind)) return { warnings: [{ text }] };
      // Many npm packages try a module with require() and go on without it: it throws there, and not before.
      if (args.kind !== 'require-call') return failure(text);
      return { path: args.path, namespace: 'absent', warnings: [{ text }] };
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
