import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { originalPositionFor, TraceMap } from '@jridgewell/trace-mapping';
import { BUNDLE_LIMITS } from '../../src/packages/limits.ts';
import { openWorkshop, packageOf, refusal, run, type Workshop } from './fixture.ts';

let shop: Workshop;
beforeAll(async () => {
  shop = await openWorkshop();
});
afterAll(() => shop.close());

describe('entries', () => {
  test('ESM with definePlugin and type-only imports of anything', async () => {
    const bundle = await shop.bundle({
      'index.ts': `import { definePlugin, type Context } from '@streamspace/sdk';
        import type { Nothing } from 'not-installed';
        import { helper } from './lib/helper.js';
        export default definePlugin({ onLoad(_ctx: Context): Nothing { return helper(2) as Nothing } });`,
      'lib/helper.ts': 'export const helper = (n: number): number => n * 21;',
    });
    const { default: plugin } = run<{ default: { onLoad(): number } }>(bundle);
    expect(plugin.onLoad()).toBe(42);
  });

  test('CommonJS with this and the global streamspace', async () => {
    const bundle = await shop.bundle({
      'index.js': 'module.exports = { name: "x", onLoad() { return this.name + typeof streamspace } }',
    });
    expect(run<{ onLoad(): string }>(bundle).onLoad()).toBe('xundefined');
  });

  test.each(['index.tsx', 'index.mjs', 'index.cjs', 'src/main.ts'])('%p', async (entry) => {
    const source = entry.endsWith('.cjs') ? 'module.exports = { x: 1 }' : 'export const x = 1';
    expect(run(await shop.bundle({ [entry]: source })).x).toBe(1);
  });

  test('what V8 lacks is translated: decorators', async () => {
    const bundle = await shop.bundle({
      'index.ts':
        'const twice = (f: any) => () => f() * 2; class A { @twice m() { return 1 } } export const n = new A().m()',
    });
    expect(run(bundle).n).toBe(2);
  });
});

describe('imports', () => {
  test('extensions, index files, .js for .ts, folders up, JSON and text', async () => {
    const bundle = await shop.bundle({
      'src/index.ts': `import a from './a'; import b from './b.js'; import c from './c'; import d from '../d.mjs';
        import { v } from './data.json'; import data from './data.json' with { type: 'json' };
        import text from '../notes.txt'; import html from './page.html'; import css from './style.css';
        export default [a, b, c, d, v, data.v, text, html, css];`,
      'src/a.tsx': 'export default "a"',
      'src/b.ts': 'export default "b"',
      'src/c/index.cjs': 'module.exports = "c"',
      'd.mjs': 'export default "d"',
      'src/data.json': '{"v":1}',
      'notes.txt': 'hä',
      'src/page.html': '<p>',
      'src/style.css': '@import url("/etc/passwd"); a { background: url(../../../etc/hostname) }',
    });
    const css = '@import url("/etc/passwd"); a { background: url(../../../etc/hostname) }';
    expect(run(bundle).default).toEqual(['a', 'b', 'c', 'd', 1, 1, 'hä', '<p>', css]);
  });

  test('import() of a file of the package', async () => {
    const bundle = await shop.bundle({
      'index.ts': 'export const load = () => import("./late.ts")',
      'late.ts': 'export const late = 1',
    });
    expect(await run<{ load(): Promise<{ late: number }> }>(bundle).load()).toHaveProperty('late', 1);
  });

  test('npm packages: exports maps by form, subpaths, main, module, browser, imports, nested versions', async () => {
    const bundle = await shop.bundle({
      'index.ts': `import dual from 'dual'; import sub from 'dual/sub'; import old from '@scope/old'; import mod from 'mod';
        import swap from 'swap'; const required = require('dual');
        export default [dual, sub, old, mod, swap, required];`,
      'node_modules/dual/package.json': JSON.stringify({
        name: 'dual',
        exports: { '.': { node: './node.js', import: './esm.mjs', require: './cjs.cjs' }, './sub': './lib/sub.js' },
        imports: { '#inner': './lib/inner.js' },
      }),
      'node_modules/dual/esm.mjs': 'import inner from "#inner"; export default "esm " + inner',
      'node_modules/dual/cjs.cjs': 'module.exports = "cjs"',
      'node_modules/dual/node.js': 'import "node:fs"',
      'node_modules/dual/lib/inner.js': 'export default "inner"',
      'node_modules/dual/lib/sub.js': 'import old from "@scope/old"; export default "sub " + old',
      'node_modules/dual/node_modules/@scope/old/index.js': 'module.exports = "nested"',
      'node_modules/@scope/old/package.json': '{"main":"lib/main"}',
      'node_modules/@scope/old/lib/main.js': 'module.exports = require("./part") + "!"',
      'node_modules/@scope/old/lib/part/index.js': 'exports = module.exports = "old"',
      'node_modules/mod/package.json': '{"main":"main.js","module":"module.js"}',
      'node_modules/mod/main.js': 'throw new Error("main")',
      'node_modules/mod/module.js': 'export default "module"',
      'node_modules/swap/package.json': '{"main":"index.js","browser":{"./file.js":"./browser.js","fs":false}}',
      'node_modules/swap/index.js': 'module.exports = [require("./file.js"), Object.keys(require("fs")).length]',
      'node_modules/swap/file.js': 'module.exports = require("net")',
      'node_modules/swap/browser.js': 'module.exports = "browser"',
    });
    expect(run(bundle).default).toEqual(['esm inner', 'sub nested', 'old!', 'module', ['browser', 0], 'cjs']);
  });

  test('a require() that an npm package can do without throws where it stands', async () => {
    const bundle = await shop.bundle({
      'index.ts': 'import pkg from "pkg"; export default pkg',
      'node_modules/pkg/index.js':
        'let fast; try { fast = require("bufferutil") } catch (e) { fast = e.code } module.exports = fast',
    });
    expect(run(bundle).default).toBe('MODULE_NOT_FOUND');
    expect(bundle.warnings).toEqual([
      'node_modules/pkg/index.js:1:32: "bufferutil" is neither a file of the package nor in its node_modules (in the npm package "pkg")',
    ]);
  });

  test('a require() or import() of a value stays, with a warning: it fails when it is reached', async () => {
    const bundle = await shop.bundle({ 'index.js': 'exports.a = (n) => require(n);\nexports.b = (n) => import(n)' });
    expect(() => run<{ a(name: string): void }>(bundle).a('fs')).toThrow('require(fs)');
    expect(bundle.warnings).toEqual([
      'index.js:1:20: An import with a computed path cannot be bundled: write the path as a string',
      'index.js:2:20: An import with a computed path cannot be bundled: write the path as a string',
    ]);
  });

  test('packages without side effects leave nothing behind that is not used', async () => {
    const bundle = await shop.bundle({
      'index.ts': 'import { used } from "tree"; export default used',
      'node_modules/tree/package.json': '{"sideEffects":false}',
      'node_modules/tree/index.js': 'export * from "./a.js"; export * from "./b.js"',
      'node_modules/tree/a.js': 'export const used = 1',
      'node_modules/tree/b.js': 'export const unused = globalThis.gone()',
    });
    expect(bundle.code).not.toContain('gone');
    expect(run(bundle).default).toBe(1);
  });
});

describe('errors', () => {
  test('a syntax error has its file, line, column and text', async () => {
    expect(await shop.issues({ 'index.ts': 'import "./lib/x"', 'lib/x.ts': '\nlet é = "ü"; let x: = 3;' })).toEqual([
      { file: 'lib/x.ts', line: 2, column: 21, message: 'Unexpected "="', text: 'let é = "ü"; let x: = 3;' },
    ]);
  });

  test('every import that leads nowhere is named with its place and the npm package that it is in', async () => {
    const found = await shop.issues({
      'index.ts': 'import "./nope";\nimport fs from "node:fs"; import "left-pad"; import "pkg"; fs',
      'node_modules/pkg/index.js': 'import "fs"; import "./gone.js"',
    });
    const places = found.map(({ file, line, column, message }) => `${file}:${line}:${column} ${message}`).sort();
    expect(places).toEqual([
      'index.ts:1:8 "./nope" is not a file of the package',
      'index.ts:2:16 "node:fs" is a module of Node that a plugin does not have: use the sandbox APIs files and storage instead',
      'index.ts:2:34 "left-pad" is neither a file of the package nor in its node_modules',
      'node_modules/pkg/index.js:1:21 "./gone.js" is not a file of the package (in the npm package "pkg")',
      'node_modules/pkg/index.js:1:8 "fs" is a module of Node that a plugin does not have: use the sandbox APIs files and storage instead (in the npm package "pkg")',
    ]);
  });

  test('the modules of the SDK need what they are about', async () => {
    const found = await shop.issues({
      'index.ts': 'import "@streamspace/sdk/kysely"; import "@streamspace/sdk/other"',
    });
    expect(found.map(({ file, message }) => `${file}: ${message}`).sort()).toEqual([
      'index.ts: "@streamspace/sdk/other" is neither a file of the package nor in its node_modules',
      'sdk:@streamspace/sdk/kysely: "kysely" is neither a file of the package nor in its node_modules',
    ]);
  });

  test('the error says the first problem and how many there are', async () => {
    const error = await refusal(shop.bundle({ 'index.ts': 'import "./a"; import "./b"' }));
    expect([error.code, error.message]).toEqual([
      'bundle_failed',
      'index.ts:1:8: "./a" is not a file of the package (and 1 more)',
    ]);
  });

  test.each([
    [
      'await at the top',
      'export default await fetch("x")',
      'Top-level await is not available in a plugin: do it in onLoad, which is waited for',
    ],
    [
      'require.resolve',
      'export default require.resolve("./index.ts")',
      'require.resolve() is not available in a plugin',
    ],
    [
      'a computed import',
      "export const f = (n: string) => import('./' + n + '.ts')",
      'An import with a computed path cannot be bundled: write the path as a string',
    ],
    ['a picture', 'import x from "./x.png"; export default x', /^x\.png is of a kind that cannot be bundled/],
  ])('%s', async (_what, source, message) => {
    const [issue] = await shop.issues({ 'index.ts': source, 'x.png': '' });
    expect(issue?.message).toMatch(message);
  });

  test('import.meta is empty, with a warning', async () => {
    const bundle = await shop.bundle({ 'index.ts': 'export const u = import.meta.url' });
    expect(run(bundle).u).toBeUndefined();
    expect(bundle.warnings).toEqual(['index.ts:1:18: import.meta is empty in a plugin']);
  });
});

test('the source map leads to the package: own paths, own text', async () => {
  const files = {
    'src/index.ts': 'import { boom } from "./lib/boom";\nexport default boom',
    'src/lib/boom.ts': '// one\n// two\nexport function boom(x: string): never {\n  throw new Error("boom" + x);\n}',
  };
  const bundle = await shop.bundle(files);
  const map = JSON.parse(bundle.map);
  expect(map.sources.toSorted()).toEqual(['src/index.ts', 'src/lib/boom.ts']);
  expect(map.sourcesContent.toSorted()).toEqual(Object.values(files).toSorted());
  const lines = bundle.code.split('\n');
  const line = lines.findIndex((text) => text.includes('throw new Error')) + 1;
  const column = lines[line - 1]?.indexOf('throw') ?? -1;
  expect(originalPositionFor(new TraceMap(bundle.map), { line, column })).toMatchObject({
    source: 'src/lib/boom.ts',
    line: 4,
    column: 2,
  });
});

describe('the cache', () => {
  const FILES = { 'index.ts': 'export default "cached"' };
  const cacheFiles = async () => (await readdir(join(shop.dir, 'cache'))).sort();

  async function entryOf(digest: string): Promise<string> {
    return join(shop.dir, 'cache', `${digest}.bundle`);
  }

  test('gives the same bundle without the bundler, which gives no other once it is stopped', async () => {
    const other = await openWorkshop();
    const first = await other.bundle(FILES);
    await other.bundler.stop();
    expect(await other.bundle(FILES)).toEqual(first);
    expect((await refusal(other.bundle({ 'index.ts': '' }))).code).toBe('unavailable');
    await other.close();
  });

  test('another entry, another content: another bundle', async () => {
    const pkg = packageOf({ 'a.ts': 'export default 1', 'b.ts': 'export default 2' });
    const a = await shop.bundler.bundle(pkg, { entrypoints: { main: 'a.ts' } });
    const b = await shop.bundler.bundle(pkg, { entrypoints: { main: 'b.ts' } });
    expect(a.digest).not.toBe(b.digest);
    expect([run(a).default, run(b).default]).toEqual([1, 2]);
  });

  test.each([
    ['cut off', (bytes: Buffer) => bytes.subarray(0, -1)],
    ['empty', () => Buffer.alloc(0)],
    ['changed', (bytes: Buffer) => Buffer.from(bytes.toString('latin1').replace('cached', 'hacked'), 'latin1')],
    ['appended to', (bytes: Buffer) => Buffer.concat([bytes, Buffer.from('x')])],
  ])('an entry that is %s is made anew', async (_what, damage) => {
    const first = await shop.bundle(FILES);
    const file = await entryOf(first.digest);
    const whole = await readFile(file);
    await writeFile(file, damage(whole));
    expect(await shop.bundle(FILES)).toEqual(first);
    expect(await readFile(file)).toEqual(whole);
  });

  test("another package's entry in its place is not taken", async () => {
    const mine = await shop.bundle(FILES);
    const other = await shop.bundle({ 'index.ts': 'export default "other"' });
    await writeFile(await entryOf(mine.digest), await readFile(await entryOf(other.digest)));
    expect(run(await shop.bundle(FILES)).default).toBe('cached');
  });

  test('equal requests at the same time share one run, and leave one file', async () => {
    const files = { 'index.ts': 'export default "shared"' };
    const before = await cacheFiles();
    const bundles = await Promise.all(Array.from({ length: 20 }, () => shop.bundle(files)));
    expect(new Set(bundles).size).toBe(1);
    expect((await cacheFiles()).length).toBe(before.length + 1);
  });

  test('a failure is not kept', async () => {
    const before = await cacheFiles();
    await shop.issues({ 'index.ts': 'import "./nope"' });
    expect(await cacheFiles()).toEqual(before);
  });

  test('a folder that cannot be written costs only speed', async () => {
    const other = await openWorkshop();
    await writeFile(join(other.dir, 'cache'), 'a file where the folder should be');
    expect(run(await other.bundle(FILES)).default).toBe('cached');
    await other.close();
  });

  test('is bounded: the oldest entries go', async () => {
    const other = await openWorkshop();
    const folder = join(other.dir, 'cache');
    await mkdir(folder);
    for (let i = 0; i < BUNDLE_LIMITS.cacheEntries + 10; i += 1) await writeFile(join(folder, `${i}.bundle`), '');
    const { digest } = await other.bundle(FILES);
    const names = await readdir(folder);
    expect(names.length).toBe(BUNDLE_LIMITS.cacheEntries);
    expect(names).toContain(`${digest}.bundle`);
    await other.close();
  });
});

test('many different bundles at once', async () => {
  const bundles = await Promise.all(
    Array.from({ length: 30 }, (_, i) => shop.bundle({ 'index.ts': `import "./l"; export default ${i}`, 'l.ts': '' })),
  );
  expect(bundles.map((bundle) => run(bundle).default)).toEqual(Array.from({ length: 30 }, (_, i) => i));
});
