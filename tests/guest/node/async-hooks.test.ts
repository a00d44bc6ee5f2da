import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { join } from 'node:path';
import { inNode } from '../../kit/in-node.ts';
import { type Isolates, startIsolates } from '../../kit/isolates.ts';
import { openWorkshop, type Workshop } from '../../packages/fixture.ts';

let isolates: Isolates;
let shop: Workshop;
beforeAll(async () => {
  isolates = await startIsolates(join(import.meta.dir, '../../kit/node-entry.ts'));
  shop = await openWorkshop();
});
afterAll(async () => {
  await isolates.close();
  await shop.close();
});

const HEAD =
  "import { AsyncLocalStorage, AsyncResource } from 'node:async_hooks';\nconst als = new AsyncLocalStorage();\n";

/** Bundles the module, and calls what it exports as default inside an isolate. */
async function bundled(source: string, head = HEAD): Promise<unknown> {
  const { code } = await shop.bundle({ 'index.js': head + source });
  return isolates.run(
    `const module = { exports: {} };
    (function (module, exports, require) {${code}\n})(module, module.exports, __require);
    return module.exports.default();`,
  );
}

/** The same in an isolate and in Node. */
async function asInNode(body: string): Promise<void> {
  const ours = await bundled(`export default async () => {${body}\n};`);
  expect(ours).toEqual(
    await inNode(`const { AsyncLocalStorage, AsyncResource } = __require('node:async_hooks');
      const als = new AsyncLocalStorage();
      ${body.replaceAll(/await import\('([^']+)'\)/g, "__require('$1')")}`),
  );
}

describe('the store is there across every boundary, as in Node', () => {
  test.each([
    [
      'await of values, promises and thenables',
      'await 1; log(); await Promise.resolve(); log(); await { then(ok) { log(); ok(); } }; log();',
    ],
    [
      'await in loops, try and finally',
      'for (const x of [1, 2]) { await x; log(); } try { await Promise.reject(1); } catch { log(); } finally { await 0; log(); }',
    ],
    ['then, catch, finally', 'await Promise.resolve().then(log).then(() => { throw 1; }).catch(log).finally(log);'],
    [
      'promises made outside',
      'const { promise, resolve } = outside; setTimeout(resolve, 1); await promise; log(); promise.then(log); await promise;',
    ],
    [
      'all, race, any, allSettled',
      'await Promise.all([1, Promise.resolve()]); log(); await Promise.race([new Promise((ok) => setTimeout(ok, 1))]); log(); await Promise.any([1]); log(); await Promise.allSettled([Promise.reject()]); log();',
    ],
    [
      'timers',
      'await new Promise((ok) => setTimeout(() => { log(); ok(); }, 1)); let n = 0; await new Promise((ok) => { const id = setInterval(() => { log(); if (++n === 2) { clearInterval(id); ok(); } }, 1); });',
    ],
    [
      'microtasks and ticks',
      "await new Promise((ok) => queueMicrotask(() => { log(); ok(); })); const { nextTick } = await import('node:process'); await new Promise((ok) => nextTick(() => { log(); ok(); }));",
    ],
    [
      'async generators and for await',
      'async function* count() { log(); yield 1; await 0; log(); yield 2; } for await (const x of count()) log(); for await (const x of [Promise.resolve(1)]) log();',
    ],
    [
      'async arrows and methods, closures',
      'const o = { v: 1, async m() { await 0; log(); return this.v + (await (async () => { await 0; log(); return arguments.length; })()); } }; if ((await o.m(1)) < 1) throw new Error("this"); log();',
    ],
    [
      "Node's timers and their promises",
      "const timers = await import('node:timers'); await new Promise((ok) => timers.setImmediate(() => { log(); ok(); })); await timers.promises.setTimeout(1); log(); for await (const x of timers.promises.setInterval(1)) { log(); break; }",
    ],
    [
      'streams',
      "const { Readable, Transform } = await import('node:stream'); const { pipeline } = await import('node:stream/promises'); await pipeline(Readable.from(['a']), async function* (source) { for await (const x of source) { log(); yield x; } log(); }, async (source) => { for await (const x of source) log(); }); log();",
    ],
    [
      'emitters and event targets, which run where they are told',
      "const { EventEmitter, once } = await import('node:events'); const e = new EventEmitter(); e.on('x', log); e.emit('x'); als.run('emitter', () => e.emit('x')); setTimeout(() => e.emit('y'), 1); await once(e, 'y'); log(); const t = new EventTarget(); t.addEventListener('x', log); als.run('target', () => t.dispatchEvent(new Event('x')));",
    ],
    [
      'signals',
      'const c = new AbortController(); c.signal.addEventListener("abort", log); als.run("aborter", () => c.abort()); await new Promise((ok) => AbortSignal.timeout(1).addEventListener("abort", () => { log(); ok(); }));',
    ],
  ])('%s', async (_what, body) => {
    await asInNode(`
      const seen = [];
      const log = () => { seen.push(als.getStore()); };
      const outside = Promise.withResolvers();
      await als.run('store', async function () { ${body} });
      seen.push(als.getStore() ?? 'none');
      return seen;`);
  });
});

test('run, exit, enterWith, disable, bind, snapshot and AsyncResource, as in Node', async () => {
  await asInNode(`
    const out = [];
    const other = new AsyncLocalStorage();
    const get = () => als.getStore() ?? 'none';
    out.push(get(), als.run(1, (a, b) => [get(), a, b], 'a', 'b'));
    als.run(1, () => { other.run(2, () => out.push([get(), other.getStore()])); als.run(3, () => out.push(get())); als.exit(() => out.push(get())); out.push(get()); });
    try { als.run(1, () => { throw new Error('x'); }); } catch { out.push(get()); }
    const bound = als.run('bound', () => AsyncLocalStorage.bind(function (...args) { return [get(), this.self, args]; }));
    out.push(bound.call({ self: 'me' }, 1));
    const snapshot = als.run('snap', () => AsyncLocalStorage.snapshot());
    out.push(als.run('now', () => snapshot((x) => [get(), x], 5)));
    const resource = als.run('resource', () => new AsyncResource('Mine'));
    out.push(resource.runInAsyncScope(function (x) { return [get(), this, x]; }, 'self', 1), typeof resource.asyncId(), resource.emitDestroy() === resource);
    out.push(resource.bind(get)(), als.run('static', () => AsyncResource.bind(get))());
    await als.run('inner', async () => { await 0; als.enterWith('entered'); out.push(get()); await 0; out.push(get()); setTimeout(() => out.push(get()), 1); });
    out.push(get());
    await new Promise((ok) => setTimeout(ok, 5));
    als.run('gone', () => { als.disable(); out.push(get()); });
    out.push(new AsyncLocalStorage({ defaultValue: 'fallback', name: 'n' }).getStore(), new AsyncLocalStorage({ name: 'n' }).name);
    try { new AsyncResource(1); } catch ({ name, code }) { out.push([name, code]); }
    return out;`);
});

test('two requests that are answered at the same time do not see each other', async () => {
  await asInNode(`
    const lines = [];
    const step = async (n) => { await new Promise((ok) => setTimeout(ok, 1)); lines.push([als.getStore().id, n]); };
    const handle = (id) => als.run({ id }, async () => { for (let n = 0; n < 5; n += 1) await step(n); return als.getStore().id; });
    const answers = await Promise.all([handle('a'), handle('b')]);
    return [answers, lines];`);
});

describe('what differs from Node', () => {
  test('a thenable that an async function returns is called without a store', async () => {
    const seen = await bundled(`export default async () => {
      const seen = [];
      const thenable = { then(ok) { seen.push(als.getStore() ?? 'none'); ok(1); } };
      await als.run('store', async () => thenable);
      return seen;
    };`);
    expect(seen).toEqual(['none']);
  });

  test('what the platform calls starts with no store, whatever was entered before', async () => {
    const seen = await bundled(`export default async () => {
      als.enterWith('left over');
      __clearContext();
      return [als.getStore() ?? 'none', await Promise.resolve().then(() => als.getStore() ?? 'none')];
    };`);
    expect(seen).toEqual(['none', 'none']);
  });

  test('async functions are translated, and hooks are refused', async () => {
    const out = await bundled(
      `import hooks from 'async_hooks';
      export default () => {
        const log = [(async () => {}).constructor === Function, hooks.executionAsyncId()];
        try { hooks.createHook({}); } catch (error) { log.push(error.message); }
        return log;
      };`,
      '',
    );
    expect(out).toEqual([true, 1, 'async_hooks.createHook() is not available in a plugin: use AsyncLocalStorage']);
  });

  test('a bundle that does not ask keeps its async functions, and its Promise', async () => {
    const out = await bundled(
      'export default () => [(async () => {}).constructor === Function, String(Promise.prototype.then)];',
      '',
    );
    expect(out).toEqual([false, 'function then() { [native code] }']);
  });
});
