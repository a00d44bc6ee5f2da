import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { originalPositionFor, TraceMap } from '@jridgewell/trace-mapping';
import { NODE_MODULES } from '../../runtime/protocol/node-modules.ts';
import { askedModules } from '../../src/packages/guest-modules.ts';
import { openWorkshop, run, type Workshop } from './fixture.ts';

let shop: Workshop;
beforeAll(async () => {
  shop = await openWorkshop();
});
afterAll(() => shop.close());

/** What the bundle asks the guest's `require` for, in order. */
const asked = ({ code }: { code: string }) => [...code.matchAll(/\brequire\("([^"]+)"\)/g)].map(([, name]) => name);

describe('modules that the guest has', () => {
  test.each(Object.keys(NODE_MODULES))('%s, with and without node:, from every form of import', async (name) => {
    const forms = (specifier: string) => ({
      'index.ts': `import all, * as some from '${specifier}'; import './b.cjs';
        export const late = () => import('${specifier}'); console.log(all, some);`,
      'b.cjs': `module.exports = require('${specifier}')`,
    });
    for (const specifier of [name, `node:${name}`]) {
      expect(asked(await shop.bundle(forms(specifier)))).toEqual([`node:${name}`]);
    }
  });

  test('cloudflare:sockets', async () => {
    const bundle = await shop.bundle({
      'index.ts': `import { connect } from 'cloudflare:sockets'; export default connect`,
    });
    expect(asked(bundle)).toEqual(['cloudflare:sockets']);
    expect((await shop.issues({ 'index.ts': `import 'cloudflare:workers'` }))[0]?.message).toBe(
      '"cloudflare:workers" is an address: only files of the package can be imported',
    );
  });

  test('what a bundle asks for is known to who packs it', async () => {
    const { code } = await shop.bundle({
      'index.ts': `import 'pkg'; export default () => Buffer.from('x')`,
      'node_modules/pkg/index.js': 'require("util").inspect(1)',
    });
    expect(askedModules(code)).toEqual(['node:buffer', 'node:util']);
  });

  test('one that is imported and not used is not asked for', async () => {
    expect(asked(await shop.bundle({ 'index.ts': `import { inspect } from 'node:util'; export default 1` }))).toEqual(
      [],
    );
  });

  test("the package's own node_modules win for names without node:, and its browser field for both", async () => {
    const bundle = await shop.bundle({
      'index.ts': `import own from 'buffer'; import slash from 'events/'; import { Buffer } from 'node:buffer'; import pkg from 'pkg';
        export default [own, slash, pkg, typeof Buffer]`,
      'node_modules/buffer/index.js': 'module.exports = "own buffer"',
      'node_modules/events/index.js': 'module.exports = "own events"',
      'node_modules/pkg/package.json': '{"browser":{"crypto":false,"node:util":"./util.js"}}',
      'node_modules/pkg/index.js': 'module.exports = [Object.keys(require("crypto")), require("node:util")]',
      'node_modules/pkg/util.js': 'module.exports = "own util"',
    });
    expect(asked(bundle)).toEqual(['node:buffer']);
    expect(bundle.code).toContain('own buffer');
    expect(bundle.code).toContain('own events');
    expect(bundle.code).toContain('own util');
  });
});

describe('modules that it does not have', () => {
  test.each([
    ['http', 'fetch'],
    ['node:https', 'fetch'],
    ['fs', 'the sandbox APIs files and storage'],
    ['node:fs/promises', 'the sandbox APIs files and storage'],
    ['net', 'connect, which is also cloudflare:sockets'],
    ['node:tls', 'connect, which is also cloudflare:sockets'],
    ['zlib', 'CompressionStream and DecompressionStream'],
    ['node:perf_hooks', 'the global performance'],
  ])('%s: use %s', async (name, instead) => {
    const [issue] = await shop.issues({
      'index.ts': `import 'pkg'`,
      'node_modules/pkg/package.json': '{"version":"1.2.3"}',
      'node_modules/pkg/lib.js': `const it = require('${name}')`,
      'node_modules/pkg/index.js': 'import "./lib.js"',
    });
    expect(issue).toMatchObject({ file: 'node_modules/pkg/lib.js', line: 1, column: 20 });
    expect(issue?.message).toBe(
      `"${name}" is a module of Node that a plugin does not have: use ${instead} instead (in the npm package "pkg@1.2.3")`,
    );
  });

  test.each(['node:child_process', 'child_process', 'os', 'vm', 'worker_threads', 'node:no_such_thing'])(
    '%s',
    async (name) => {
      for (const source of [`import '${name}'`, `require('${name}')`, `export * from '${name}'`, `import('${name}')`]) {
        const [issue] = await shop.issues({ 'index.js': source });
        expect(issue?.message).toStartWith(`"${name}" is a module of Node that a plugin does not have`);
      }
    },
  );

  test('modules of Bun', async () => {
    const [issue] = await shop.issues({ 'index.ts': `import 'bun:sqlite'` });
    expect(issue?.message).toBe('"bun:sqlite" is a module of Bun, which a plugin does not have');
  });

  test('the npm package is named by its folder, whatever its package.json says', async () => {
    for (const manifest of ['{}', '[]', '{"version":{}}', '{"version":"<b>1"}', '{"name":"other"}']) {
      const [issue] = await shop.issues({
        'index.ts': `import '@scope/a'`,
        'node_modules/@scope/a/index.js': `import 'b'`,
        'node_modules/@scope/a/node_modules/b/index.js': `import 'os'`,
        'node_modules/@scope/a/node_modules/b/package.json': manifest,
      });
      expect(issue?.message).toEndWith('(in the npm package "b")');
    }
  });

  test('an npm package that is ready for it gets an error where it asks, and the author a warning', async () => {
    const bundle = await shop.bundle({
      'index.ts': 'import pkg from "pkg"; export default pkg',
      'node_modules/pkg/package.json': '{"version":"4.0.0"}',
      'node_modules/pkg/index.js': `let fs = 'none'; try { fs = require('fs') } catch {}
        exports.fs = fs; exports.late = () => import('node:os').catch(() => 'none')`,
    });
    const pkg = run<{ default: { fs: string; late(): Promise<string> } }>(bundle).default;
    expect(pkg.fs).toBe('none');
    expect(bundle.warnings).toEqual([
      'node_modules/pkg/index.js:1:37: "fs" is a module of Node that a plugin does not have: use the sandbox APIs files and storage instead (in the npm package "pkg@4.0.0")',
      'node_modules/pkg/index.js:2:54: "node:os" is a module of Node that a plugin does not have (in the npm package "pkg@4.0.0")',
    ]);
  });

  test('the author is told of a require() that waits in an npm package without a try', async () => {
    const [issue] = await shop.issues({
      'index.ts': 'import "pkg"',
      'node_modules/pkg/index.js': 'exports.f = (x) => x ? require("fs") : 1',
    });
    expect(issue?.message).toStartWith('"fs" is a module of Node that a plugin does not have');
  });
});

describe('global names of Node', () => {
  const guest = (code: string) => {
    const given: Record<string, unknown> = {
      'node:process': { env: {}, nextTick: 'tick' },
      'node:buffer': { Buffer: class Buffer {} },
      'node:timers': { setImmediate: () => 'soon', clearImmediate: () => 'cleared' },
    };
    const module = { exports: {} as Record<string, unknown> };
    const names: string[] = [];
    new Function('module', 'exports', 'require', code)(module, module.exports, (name: string) => {
      names.push(name);
      return given[name];
    });
    return { exports: module.exports, names };
  };

  test('are there for who uses them, when they are used', async () => {
    const { code } = await shop.bundle({
      'index.ts': `export const late = () => [process.nextTick, new Buffer().constructor.name, setImmediate(), clearImmediate(), { Buffer }.Buffer.name];
        export const now = [process.env.NODE_ENV, process.env.HOME, typeof process, global === globalThis];`,
    });
    const { exports, names } = guest(code);
    expect(exports.now).toEqual(['production', undefined, 'object', true]);
    expect(names).toEqual(['node:process', 'node:process']);
    expect((exports as { late(): unknown }).late()).toEqual(['tick', 'Buffer', 'soon', 'cleared', 'Buffer']);
  });

  test('are what a module declares itself, where it does', async () => {
    const { code } = await shop.bundle({
      'index.ts': `import { Buffer } from './own'; const process = { env: 'own' }; function f(setImmediate: string) { return setImmediate }
        export default [Buffer, process.env, f('own'), typeof globalThis.Buffer, { process: 1 }.process];`,
      'own.ts': 'export const Buffer = "own"',
    });
    expect(code).not.toContain('require(');
    expect(guest(code).exports.default).toEqual(['own', 'own', 'own', 'function', 1]);
  });

  test('leave no trace in a bundle that does not use them', async () => {
    const { code } = await shop.bundle({ 'index.ts': 'export default [process.env.NODE_ENV, "process", global]' });
    expect(code).not.toContain('__streamspace');
  });

  test('the source map knows of the line before', async () => {
    const { code, map } = await shop.bundle({ 'index.ts': '// one\nprocess.nextTick();\nthrow new Error("here");' });
    const lines = code.split('\n');
    const line = lines.findIndex((text) => text.includes('throw new Error')) + 1;
    expect(lines[0]).toStartWith('const __streamspace_node');
    expect(originalPositionFor(new TraceMap(map), { line, column: 0 })).toMatchObject({ source: 'index.ts', line: 3 });
  });
});

describe('async_hooks', () => {
  test('a bundle that asks for it has its async functions translated, all others keep theirs', async () => {
    const source =
      'export const f = async () => { for await (const x of g()) await x }; async function* g() { yield 1 }';
    const plain = await shop.bundle({ 'index.ts': source });
    expect(plain.code).toMatch(/\basync\b/);
    const bundle = await shop.bundle({
      'index.ts': `import { AsyncLocalStorage } from 'async_hooks'; new AsyncLocalStorage();\n${source}`,
    });
    expect(bundle.code).not.toMatch(/\basync (?:function|\()|\bawait\b/);
    expect(JSON.parse(bundle.map).sources).toContain('index.ts');
  });

  test('an import of it that is not used changes nothing', async () => {
    const bundle = await shop.bundle({
      'index.ts': `import { AsyncResource } from 'async_hooks'; export const f = async () => 1`,
    });
    expect(bundle.code).toContain('async () => 1');
  });
});
