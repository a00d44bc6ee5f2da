import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { deflateRawSync } from 'node:zlib';
import { type BuildOptions, build, type Plugin } from 'esbuild';

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

/**
 * Bundles what runs inside each isolate before a plugin. Our own source only: nothing of a plugin goes through here.
 *
 * @param entry absolute path of the module whose evaluation boots the isolate
 * @returns one classic script in ASCII, to be run once in a fresh isolate
 */
async function buildPrelude(entry: string): Promise<string> {
  const { outputFiles } = await build({
    ...settings,
    entryPoints: [entry],
    // Strict code shows a guest neither `caller` nor, through Error.prepareStackTrace, its functions.
    banner: { js: `"use strict";{const globalThis=this,{${KEPT.join()}}=this;` },
    footer: { js: '}' },
    // whatwg-url asks it for a getter that nothing calls; guests have none.
    define: { SharedArrayBuffer: 'ArrayBuffer' },
    plugins: [substitutes, packed],
  });
  return outputFiles[0]?.text ?? '';
}

const [entry] = process.argv.slice(2);
if (entry === undefined) throw new Error('usage: prelude-build.ts ENTRY');
process.stdout.write(await buildPrelude(entry));
