import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { join } from 'node:path';
import { type Evaluator, installEvaluator } from '../kit/evaluator.ts';
import { type Isolates, startIsolates } from '../kit/isolates.ts';
import { type RunningCore, startCore } from '../kit/start-core.ts';

setDefaultTimeout(60_000);

describe('the require of a bundle gives what is in its table, and nothing else', () => {
  let isolates: Isolates;
  beforeAll(async () => {
    isolates = await startIsolates(join(import.meta.dir, '../kit/node-entry.ts'));
  });
  afterAll(() => isolates.close());

  const NAMES = `[
    'constructor', '__proto__', 'toString', 'hasOwnProperty', 'prototype', 'node:constructor', 'node:__proto__', 'valueOf', '', 'node:', 'NODE:buffer', 'node:node:buffer', ' buffer',
    'buffer/', './buffer', 'buffer/../fs', 'node-buffer', 'node-deep-equal', 'node:deep-equal', 'stream-adapters', 'encoding', 'structured-clone', 'crypto/constructor', 'url\\0',
    'fs', 'node:fs', 'net', 'os', 'vm', 'module', 'child_process', 'worker_threads', 'inspector', 'node:inspector', 'bun:ffi', 'bun', 'isolated-vm', 'ivm', 'cloudflare:workers', 'cloudflare:', 'streamspace:prelude',
  ]`;

  test('other names', async () => {
    const answers = await isolates.run(`return ${NAMES}.map((name) => {
      try { return [name, typeof __require(name)]; } catch (error) { return error.code === 'MODULE_NOT_FOUND' && !/[/]work|isolated-vm>[^]*runtime/.test(error.stack) ? 'refused' : [name, error.stack]; }
    });`);
    expect(new Set(answers as string[])).toEqual(new Set(['refused']));
  });

  test('other names, when a guest has put them on all objects and patched what a table could use', async () => {
    const answers = await isolates.run(`
      for (const name of ['fs', 'evil', 'constructor', 'node:evil']) Object.prototype[name] = ['crypto', 'constructor'];
      Object.hasOwn = Object.prototype.hasOwnProperty = Map.prototype.has = String.prototype.startsWith = () => true;
      Map.prototype.get = () => 'deceived';
      String.prototype.slice = () => 'buffer';
      return ['fs', 'evil', 'node:evil', 'constructor'].map((name) => { try { return __require(name) === undefined; } catch ({ code }) { return code; } });`);
    expect(answers).toEqual(Array(4).fill('MODULE_NOT_FOUND'));
  });

  test('what is no string, or is another one each time', async () => {
    const answers = await isolates.run(`
      let asked = 0;
      const turns = { toString: () => (asked++ === 0 ? 'node:path' : 'fs') };
      return [...[turns, ['node:path'], null, undefined, 1, Symbol('node:path'), new String('node:path'), new Proxy({}, {}), () => 'node:path'].map((name) => {
        try { return typeof __require(name); } catch (error) { return error.constructor === TypeError; }
      }), asked];`);
    expect(answers).toEqual([...Array(9).fill(true), 0]);
  });

  test('a guest that patches Map and Array sees no part of the platform on its way', async () => {
    const seen = await isolates.run(`
      const seen = [];
      const own = new Set();
      for (const key of ['get', 'set', 'has']) {
        const native = Map.prototype[key];
        Map.prototype[key] = function (...args) { if (!own.has(this)) seen.push(key, ...args.map(String)); return Reflect.apply(native, this, args); };
      }
      __require('node:path');
      __require('node:process');
      __require('node:path');
      return seen;`);
    expect(seen).toEqual([]);
  });

  test('modules leave no name in the global scope, and lead to no function of the host', async () => {
    const { NODE_MODULES } = await import('../../runtime/protocol/node-modules.ts');
    const names = JSON.stringify(Object.keys(NODE_MODULES));
    const [added, found] = (await isolates.run(`
      const before = new Set(Reflect.ownKeys(globalThis));
      const seen = new Set();
      const walk = (value, depth) => {
        if ((typeof value !== 'object' && typeof value !== 'function') || value === null || value === globalThis || seen.has(value) || depth > 6) return;
        seen.add(value);
        for (const key of Reflect.ownKeys(value)) {
          let next;
          try { next = value[key]; } catch { continue; }
          // Prototypes of streams answer rejected promises.
          if (next instanceof Promise) next.catch(() => undefined);
          walk(next, depth + 1);
        }
        walk(Object.getPrototypeOf(value), depth + 1);
      };
      for (const name of ${names}) walk(__require('node:' + name), 0);
      const reached = [...seen].filter((value) => typeof value === 'function');
      return [
        [...Reflect.ownKeys(globalThis)].filter((key) => !before.has(key)).map(String),
        reached.filter((fn) => {
          // Of generators and async functions it answers no text.
          try { const said = fn.constructor('return typeof process + typeof require + typeof Buffer')(); return typeof said === 'string' && said !== 'undefinedundefinedundefined'; } catch { return false; }
        }).length,
      ];`)) as [string[], number];
    expect(added).toEqual([]);
    expect(found).toBe(0);
  });

  test('a native ArrayBuffer, which could grow outside of the limit, is nowhere to be had', async () => {
    const grown = await isolates.run(`
      const { Buffer, Blob } = __require('node:buffer');
      const makers = [Buffer.alloc(1).buffer.constructor, Buffer.from('x').buffer.constructor, Object.getPrototypeOf(Buffer.alloc(1).buffer).constructor];
      return makers.map((Maker) => new Maker(1, { maxByteLength: 1e9 }).resizable);`);
    expect(grown).toEqual([false, false, false]);
  });
});

describe('in a running core', () => {
  const FIRST = `
    import { Buffer } from 'node:buffer';
    import process from 'node:process';
    import events from 'node:events';
    import util from 'node:util';
    Object.assign(globalThis, { loaded: { Buffer, process, events, util } });`;
  let core: RunningCore;
  let evil: Evaluator;
  let neighbour: Evaluator;
  beforeAll(async () => {
    process.env.STREAMSPACE_TEST_SECRET = 'the-secret-of-the-core';
    core = await startCore();
    [evil, neighbour] = [
      await installEvaluator(core, 'evil', {}, { first: FIRST }),
      await installEvaluator(core, 'neighbour', {}, { first: FIRST }),
    ];
  });
  afterAll(async () => {
    delete process.env.STREAMSPACE_TEST_SECRET;
    await core.stop();
  });

  test('process.env is empty, and process tells nothing of the host', async () => {
    const { env, all } = await evil.value(
      `return { env: Object.keys(loaded.process.env), all: loaded.util.inspect(loaded.process, { depth: 9, showHidden: true }) }`,
    );
    expect(env).toEqual([]);
    expect(all).not.toContain('the-secret-of-the-core');
    expect(all).not.toContain(String(process.pid));
    expect(all).not.toMatch(/\/work\/|\/home\/|\/root\/|node_modules|26\.\d+\.\d+/);
  });

  test('what one plugin writes into process.env or Buffer another does not see', async () => {
    await evil.value(
      `loaded.process.env.LEAK = 'x'; loaded.Buffer.leak = loaded.Buffer.prototype.leak = loaded.events.leak = 'x'; return 1`,
    );
    expect(
      await neighbour.value(
        `return [loaded.process.env.LEAK, loaded.Buffer.leak, new loaded.Buffer(1).leak, loaded.events.leak].filter(Boolean)`,
      ),
    ).toEqual([]);
  });

  test('a poisoned Buffer, process and EventEmitter do not reach the bridge', async () => {
    await evil.value(`
      globalThis.stolen = 0;
      const steal = function () { stolen += 1; throw new Error('stolen'); };
      const { Buffer, process, events, util } = loaded;
      for (const target of [Buffer, Buffer.prototype, process, events, events.prototype, util]) {
        for (const key of Reflect.ownKeys(target)) { try { if (typeof target[key] === 'function' && key !== 'constructor') target[key] = steal; } catch {} }
      }
      // Getters among them were called just now.
      globalThis.stolen = 0;
      globalThis.Buffer = Buffer;
      globalThis.process = process;
      return 1`);
    const echoed = await core.api('POST', '/api/plugins/evil/echo/wörd', {
      token: null,
      body: { text: 'ü'.repeat(5000) },
    });
    expect(echoed.body).toEqual({ word: 'wörd', got: { text: 'ü'.repeat(5000) } });
    expect(
      await evil.value(`await ctx.storage.set('k', { v: 'ü' }); return [await ctx.storage.get('k'), stolen]`),
    ).toEqual([{ v: 'ü' }, 0]);
    expect((await neighbour.get('/ping')).body).toEqual({ pong: true });
  });
});
