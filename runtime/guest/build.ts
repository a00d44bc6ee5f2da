import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build, type Plugin } from 'esbuild';

const here = dirname(fileURLToPath(import.meta.url));
const require = createRequire(import.meta.url);

export interface Prelude {
  /** One classic script in ASCII, to be run once in a fresh isolate. */
  readonly code: string;
  /** SHA-256 of the code, in hex: the key of V8's cached code. */
  readonly digest: string;
}

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

/**
 * Bundles what runs inside each isolate before a plugin. Our own source only: nothing of a plugin goes through here.
 *
 * @param entry absolute path of the module whose evaluation boots the isolate.
 */
export async function buildPrelude(entry: string = join(here, 'main.ts')): Promise<Prelude> {
  const { outputFiles } = await build({
    entryPoints: [entry],
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
    // Strict code shows a guest neither `caller` nor, through Error.prepareStackTrace, its functions.
    banner: { js: '"use strict";' },
    // whatwg-url asks it for a getter that nothing calls; guests have none.
    define: { SharedArrayBuffer: 'ArrayBuffer' },
    plugins: [substitutes],
  });
  const code = outputFiles[0]?.text ?? '';
  return { code, digest: createHash('sha256').update(code).digest('hex') };
}
