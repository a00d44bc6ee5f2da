import { readdir, readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { basename, dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { deflateRawSync } from 'node:zlib';
import { type BuildOptions, build, type Plugin } from 'esbuild';
import { KEEPS_CONTEXT, NODE_MODULES } from '../../runtime/protocol/node-modules.ts';

const here = join(dirname(fileURLToPath(import.meta.url)), '../../runtime/guest');
const require = createRequire(import.meta.url);

/** Puts our own in place of modules that whatwg-url would evaluate at once or that need what a guest does not have. */
const substitutes: Plugin = {
  name: 'substitutes',
  setup({ onLoad, onResolve }) {
    const ours: Readonly<Record<string, string>> = {
      tr46: 'web/lazy/idna.ts',
      './encoding': 'web/lazy/url-encoding.ts',
      'webidl-conversions': 'web/lazy/url-conversions.ts',
    };
    onResolve({ filter: /^(tr46|\.\/encoding|webidl-conversions)$/ }, ({ path, importer }) => {
      const file = ours[path];
      return importer.includes('/whatwg-url/') && file !== undefined ? { path: join(here, file) } : null;
    });
    // The same without the tables of multi-byte encodings.
    const lite = require.resolve('@exodus/bytes/encoding-lite.js');
    onResolve({ filter: /^@exodus\/bytes\/encoding\.js$/ }, () => ({ path: lite }));
    // It looks for native encoders, and would find our own lazy globals while they are being made.
    onLoad({ filter: /@exodus[\\/]bytes[\\/].*\.js$/ }, async ({ path }) => {
      const source = await readFile(path, 'utf8');
      return { contents: path.endsWith('encoding.js') ? source : `const globalThis = {};\n${source}` };
    });
    // Ours in place of the globals that it takes, which are the guest's to replace.
    onLoad({ filter: /urlpattern-polyfill[\\/]dist[\\/]urlpattern\.js$/ }, async ({ path }) => {
      const globals = JSON.stringify(join(here, 'web/lazy/pattern-globals.ts'));
      return { contents: `import { RegExp, URL } from ${globals};\n${await readFile(path, 'utf8')}` };
    });
  },
};

/** Writes the ranges of tr46's table as distances, which deflate to 40 % of it. */
const smallTable: Plugin = {
  name: 'small-table',
  setup({ onLoad }) {
    onLoad({ filter: /tr46[\\/]lib[\\/]mappingTable\.json$/ }, async ({ path }) => {
      const table = JSON.parse(await readFile(path, 'utf8')) as [number | [number, number], ...unknown[]][];
      let last = 0;
      const distances = table.map(([range, ...rest]) => {
        const [from, to] = typeof range === 'number' ? [range, range] : range;
        const row = [from - last, to - from, ...rest];
        last = to;
        return row;
      });
      const contents = `let last = 0;
        module.exports = ${JSON.stringify(distances)}.map(([gap, more, ...rest]) => {
          const from = last + gap;
          last = from + more;
          return [[from, last], ...rest];
        });`;
      return { contents, loader: 'js' };
    });
  },
};

/** npm packages that modules of Node are made of: those that they require are ours. */
const nodeModules: Plugin = {
  name: 'node-modules',
  setup({ onLoad, onResolve }) {
    onResolve({ filter: /^[a-z_:/]+$/ }, ({ path, importer }) => {
      const name = path.replace(/^node:|\/$/g, '');
      const found =
        importer.includes('node_modules') && Object.hasOwn(NODE_MODULES, name) ? NODE_MODULES[name] : undefined;
      return found === undefined ? null : { path: `node-${found[0]}`, namespace: 'part' };
    });
    onResolve({ filter: /^safe-buffer$/ }, () => ({ path: 'node-buffer', namespace: 'part' }));
    onResolve({ filter: /^abort-controller$/ }, ({ path }) => ({ path, namespace: 'global' }));
    onLoad({ filter: /./, namespace: 'global' }, () => ({ contents: 'module.exports = globalThis' }));
    onLoad({ filter: /unenv[\\/].*querystring\.mjs$/ }, async ({ path }) => ({
      contents: `const globalThis = { get Buffer() { return require('buffer/').Buffer } };\n${await readFile(path, 'utf8')}`,
    }));
    // It copies every builtin, and guests have no Atomics.
    onLoad({ filter: /node-inspect-extracted[\\/]dist[\\/]inspect\.js$/ }, async ({ path }) => ({
      contents: `const all = Object.create(globalThis, { Atomics: { value: {} } });\n${(await readFile(path, 'utf8')).replaceAll('globalThis[', 'all[')}`,
    }));
    onLoad({ filter: /(?:path-browserify|assert[\\/]build)[\\/].*\.js$/ }, async ({ path }) => ({
      contents: `const process = require('process/');\n${await readFile(path, 'utf8')}`,
    }));
  },
};

/** `import script from 'packed:<module>'` gives the module as a deflated script: a third of its memory until it is used. */
const packed: Plugin = {
  name: 'packed',
  setup({ onLoad, onResolve }) {
    onResolve({ filter: /^packed:/ }, ({ path }) => ({ path: path.slice('packed:'.length), namespace: 'packed' }));
    onLoad({ filter: /./, namespace: 'packed' }, async ({ path }) => {
      const { outputFiles } = await build({
        ...settings,
        stdin: { contents: `module.exports = require('${path}')`, resolveDir: here },
        globalName: path,
        plugins: [smallTable],
      });
      const deflated = deflateRawSync(outputFiles[0]?.contents ?? new Uint8Array(0), { level: 9 });
      return { contents: `module.exports = '${deflated.toString('base64')}'`, loader: 'js' };
    });
  },
};

/** One script, in ASCII so that V8 keeps it at one byte a char. */
const settings = {
  bundle: true,
  write: false,
  format: 'iife',
  platform: 'neutral',
  mainFields: ['module', 'main'],
  target: 'esnext',
  charset: 'ascii',
  minify: true,
  legalComments: 'none',
  sourcemap: false,
  logLevel: 'silent',
} as const satisfies BuildOptions;

/** Globals that the prelude uses; it keeps those that it started with, whatever a plugin puts in their place. */
const KEPT =
  `Array ArrayBuffer BigInt Boolean DataView Date Error Function Int32Array Intl JSON Map Math Number Object Promise
  Proxy RangeError Reflect RegExp Set String Symbol SyntaxError TypeError Uint8Array Uint16Array Uint32Array WeakMap WeakRef
  WeakSet decodeURIComponent encodeURIComponent isNaN parseFloat parseInt`.split(/\s+/);

/** How the prelude is called in stacks, its parts included. */
const SOURCE_URL = '\n//# sourceURL=streamspace:prelude';
const GUEST = join(here, 'web');
const HEAVY = join(GUEST, 'heavy.ts');
const LOADER = join(GUEST, 'parts.ts');
/** Each file is a part by itself: `node-<file>`. */
const NODE = join(here, 'node');
/** Those that call a plugin's functions after an `await`. */
const AWAITING = new Set([join(NODE, 'stream.ts'), join(NODE, 'timers.ts')]);
/** As in Node: a module that has an export of this name is that when it is required. */
const REQUIRED = "part['module.exports'] ?? { ...part }";

/** What runs inside each isolate before a plugin: our own source only. */
export interface PreludeText {
  /** A classic script in ASCII, to be run once in a fresh isolate. */
  readonly core: string;
  /** What is evaluated at first use, by name: each an expression, a function of `runtime/guest/web/parts.ts`. */
  readonly parts: Readonly<Record<string, string>>;
}

/**
 * Bundles what runs inside each isolate before a plugin. What `heavy.ts` requires and the modules of Node become parts of
 * their own: an isolate whose plugin does not touch them holds nothing of them.
 *
 * @param entry absolute path of the module whose evaluation boots the isolate
 */
async function buildPrelude(entry: string): Promise<PreludeText> {
  const names = new Map<string, string>();
  for (const [, specifier = ''] of (await readFile(HEAVY, 'utf8')).matchAll(/require\('([^']+)'\)/g)) {
    const path = specifier.startsWith('.') ? join(GUEST, specifier) : require.resolve(specifier);
    names.set(specifier.startsWith('.') ? path : specifier, basename(specifier, '.ts'));
  }
  for (const file of await readdir(NODE)) {
    if (/^[a-z-]+\.ts$/.test(file)) names.set(join(NODE, file), `node-${basename(file, '.ts')}`);
  }
  const shared = new Set<string>();
  const parts: Record<string, string> = {};
  for (const [path, name] of names) parts[name] = await buildPart(path, names, shared);
  const { outputFiles } = await build({
    ...settings,
    entryPoints: [entry],
    // Strict code shows a guest neither `caller` nor, through Error.prepareStackTrace, its functions.
    banner: {
      js: `"use strict";{const globalThis=this,{${KEPT.join()}}=this,__kept={${KEPT.join()},globalThis},__evaluate=this.eval;`,
    },
    footer: { js: '}' },
    define: { SharedArrayBuffer: 'ArrayBuffer' },
    plugins: [substitutes, packed, corePlugin(names, shared)],
  });
  return { core: outputFiles[0]?.text ?? '', parts };
}

/** Bundles one part. Modules of the core are not bundled again: it gets those of the core itself. */
async function buildPart(entry: string, names: ReadonlyMap<string, string>, shared: Set<string>): Promise<string> {
  const others: Plugin = {
    name: 'others',
    setup({ onResolve, onLoad }) {
      onResolve({ filter: /^\./ }, ({ path, importer, kind }) => {
        const file = join(dirname(importer), path);
        if (kind === 'entry-point' || file === entry || importer.includes('node_modules')) return null;
        const name = names.get(file);
        if (name !== undefined) return { path: name, namespace: 'part' };
        if (dirname(file) === dirname(entry)) return null;
        shared.add(file);
        return { path: relative(here, file), namespace: 'shared' };
      });
      onLoad({ filter: /./, namespace: 'part' }, ({ path }) => ({ contents: `module.exports = __load('${path}')` }));
      onLoad({ filter: /./, namespace: 'shared' }, ({ path }) => ({
        contents: `module.exports = __shared['${path}']`,
      }));
    },
  };
  const isNode = dirname(entry) === NODE;
  const { outputFiles } = await build({
    ...settings,
    stdin: {
      contents: `const part = require('${entry}'); module.exports = ${isNode ? REQUIRED : 'part'}`,
      resolveDir: here,
    },
    globalName: '__part',
    // Functions of Node tell their names: `assert` says in its errors which of them threw.
    keepNames: isNode,
    ...(AWAITING.has(entry) ? { supported: KEEPS_CONTEXT } : {}),
    // whatwg-url asks it for a getter that nothing calls; guests have none.
    define: { SharedArrayBuffer: 'ArrayBuffer' },
    plugins: [substitutes, packed, ...(isNode ? [nodeModules] : []), others],
  });
  const code = outputFiles[0]?.text ?? '';
  return `((__kept,__shared,__load)=>{"use strict";const{${KEPT.join()},globalThis}=__kept;${code}return __part})${SOURCE_URL}`;
}

/** In the core, a part is what `parts.ts` loads; the modules that parts share with it are handed to that. */
function corePlugin(names: ReadonlyMap<string, string>, shared: ReadonlySet<string>): Plugin {
  return {
    name: 'core',
    setup({ onResolve, onLoad }) {
      onResolve({ filter: /./ }, ({ path, importer }) => {
        const name = importer === HEAVY ? (names.get(join(GUEST, path)) ?? names.get(path)) : undefined;
        return name === undefined ? null : { path: name, namespace: 'part' };
      });
      onLoad({ filter: /./, namespace: 'part' }, ({ path }) => ({
        contents: `module.exports = require('${LOADER}').loadPart('${path}')`,
        resolveDir: here,
      }));
      onResolve({ filter: /^shared:core$/ }, ({ path }) => ({ path, namespace: 'shared' }));
      onLoad({ filter: /./, namespace: 'shared' }, () => {
        const files = [...shared];
        const imports = files.map((file, at) => `import * as m${at} from '${file}';`);
        const entries = files.map((file, at) => `'${relative(here, file)}': m${at}`);
        return { contents: `${imports.join('')}export const shared = {${entries.join()}};`, resolveDir: here };
      });
    },
  };
}

const [entry] = process.argv.slice(2);
if (entry === undefined) throw new Error('usage: prelude-build.ts ENTRY');
process.stdout.write(JSON.stringify(await buildPrelude(entry)));
