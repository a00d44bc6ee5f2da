import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { type Evaluator, installEvaluator } from '../kit/evaluator.ts';
import { tryInstall } from '../kit/plugin.ts';
import { type RunningCore, startCore } from '../kit/start-core.ts';
import { until } from '../kit/until.ts';

// ADVERSARY 16 and 18: a guest patches the language under the bridge, before and after it registered its handlers. Its
// other handlers answer right, nothing of the prelude passes through what it patched, and no other plugin notices.

setDefaultTimeout(60_000);

const EVIL = `() => { throw new Error('patched') }`;
const PATCHES: Readonly<Record<string, string>> = {
  JSON: `JSON.parse = JSON.stringify = ${EVIL}; globalThis.JSON = null`,
  'Promise statics and then': `for (const key of ['then', 'catch', 'finally']) Promise.prototype[key] = ${EVIL}; for (const key of ['resolve', 'reject', 'all', 'race', 'withResolvers']) Promise[key] = ${EVIL}`,
  'Promise itself': `globalThis.Promise = null`,
  'the constructor of promises': `Promise.prototype.constructor = function Evil() { throw new Error('patched') }`,
  'the species of promises': `const Native = Promise; Object.defineProperty(Promise, Symbol.species, { get: () => class Evil extends Native { constructor(run) { super(() => {}) } } })`,
  'iteration of arrays': `Array.prototype[Symbol.iterator] = ${EVIL}; Object.getPrototypeOf([].values()).next = ${EVIL}`,
  'methods of arrays': `const names = Reflect.ownKeys(Array.prototype); for (let i = 0; i < names.length; i += 1) { const key = names[i]; if (typeof Array.prototype[key] === 'function' && key !== 'constructor') Object.defineProperty(Array.prototype, key, { value: ${EVIL} }) } Array.isArray = Array.from = ${EVIL}`,
  'indexes of arrays': `for (let i = 0; i < 4; i += 1) Object.defineProperty(Array.prototype, i, { set: ${EVIL}, get: ${EVIL}, configurable: true })`,
  'species of arrays': `Array.prototype.constructor = { [Symbol.species]: function () { throw new Error('patched') } }`,
  String: `for (const key of Reflect.ownKeys(String.prototype)) if (key !== 'length' && key !== 'constructor') String.prototype[key] = ${EVIL}; globalThis.String = null`,
  Function: `Function.prototype.call = Function.prototype.apply = Function.prototype.bind = ${EVIL}`,
  Reflect: `for (const key of Object.keys(Object.getOwnPropertyDescriptors(Reflect))) if (typeof Reflect[key] === 'function') Reflect[key] = ${EVIL}`,
  Object: `const { defineProperty, getOwnPropertyNames } = Object; for (const key of getOwnPropertyNames(Object)) if (typeof Object[key] === 'function') Object[key] = ${EVIL}; Object.prototype.toString = Object.prototype.hasOwnProperty = Object.prototype.valueOf = ${EVIL}`,
  'getters on all objects': `for (const key of ['stream', 'signal', 'body', 'status', 'headers', 'h', 's', 'kind', 'code', 'value', 'get', 'set', 'release', 'extra', 'error', 'options', 'text', 'q', 'then']) { let kept; Object.defineProperty(Object.prototype, key, { __proto__: null, get() { return undefined }, set(value) { Object.defineProperty(this, key, { __proto__: null, value, writable: true, enumerable: true, configurable: true }) }, configurable: true }) }`,
  'values on all objects': `Object.prototype.stream = 7; Object.prototype.message = 'inherited'; Object.prototype.permission = 'all'`,
  'Map and Set': `for (const C of [Map, Set, WeakMap]) for (const key of ['get', 'set', 'has', 'add', 'delete', 'keys', 'values', 'entries', 'forEach', Symbol.iterator]) if (key in C.prototype) Object.defineProperty(C.prototype, key, { value: ${EVIL} }); globalThis.Map = globalThis.Set = null`,
  'typed arrays': `const Typed = Object.getPrototypeOf(Uint8Array); for (const key of ['set', 'subarray', 'slice', 'from']) Typed.prototype[key] = ${EVIL}; globalThis.Uint8Array = null`,
  RegExp: `RegExp.prototype.exec = RegExp.prototype.test = ${EVIL}; for (const key of ['match', 'replace', 'split', 'search']) RegExp.prototype[Symbol[key]] = ${EVIL}`,
  'hasInstance and toPrimitive': `for (const C of [Response, Request, Headers, AbortSignal, Promise, Error, Uint8Array, Object]) Object.defineProperty(C, Symbol.hasInstance, { value: ${EVIL} }); Object.prototype[Symbol.toPrimitive] = ${EVIL}`,
  Errors: `Error.prepareStackTrace = ${EVIL}; Error.captureStackTrace = ${EVIL}; Error.stackTraceLimit = 0; globalThis.Error = globalThis.TypeError = globalThis.RangeError = null`,
  Requests: `for (const C of [Request, Response, Headers, AbortController, AbortSignal, EventTarget]) for (const key of Object.getOwnPropertyNames(C.prototype)) if (key !== 'constructor' && !(C === Request && key === 'json')) Object.defineProperty(C.prototype, key, { get: ${EVIL} }); Response.json = ${EVIL}`,
  'global names': `for (const name of ['Response', 'Headers', 'URL', 'TextEncoder', 'TextDecoder', 'ReadableStream', 'AbortController', 'setTimeout', 'queueMicrotask', 'structuredClone', 'console', 'Symbol', 'Math', 'Date', 'Number', 'Array', 'Object', 'Reflect', 'Proxy']) globalThis[name] = null`,
};

const EARLY = `export default { onLoad({ api }) { api.get('/ping', () => ({ pong: 1 }), { auth: 'public' }) } };`;

let core: RunningCore;
let evil: Evaluator;
let neighbour: Evaluator;

beforeAll(async () => {
  core = await startCore();
  evil = await installEvaluator(core, 'evil-patcher');
  neighbour = await installEvaluator(core, 'good-neighbour');
});
afterAll(async () => {
  await core?.stop();
});

/** What every handler of the plugin has to answer, whatever was done to the language. */
async function answersRight(name: string): Promise<void> {
  const prefix = `/api/plugins/${name}`;
  const call = (method: string, path: string, body?: unknown) =>
    core.api(method, prefix + path, { token: null, ...(body === undefined ? {} : { body }) });
  expect(await call('GET', '/ping')).toMatchObject({ status: 200, body: { pong: true } });
  expect(await call('GET', '/async-ping')).toMatchObject({ status: 200, body: { pong: 1 } });
  const echo = await call('POST', '/echo/a%20b', { list: [1, { two: 'é' }] });
  expect(echo).toMatchObject({ status: 200, body: { word: 'a b', got: { list: [1, { two: 'é' }] } } });
}

describe('after it registered its handlers it patches', () => {
  test.each(Object.entries(PATCHES))('%s', async (_what, patch) => {
    await evil.renew();
    expect(await evil.run(`${patch}; return 1`)).toEqual({ value: 1 });
    await answersRight('evil-patcher');
    // A call to the core and back, which the plugin awaits by the language's own means.
    const stored = `const { version } = await ctx.storage.set('key', 'kept'); return [version > 0, await ctx.storage.get('key')]`;
    expect(await evil.run(stored)).toEqual({ value: [true, 'kept'] });
    expect((await core.api('GET', '/api/plugins/evil-patcher/metrics')).body.restarts).toBe(0);
  });
});

describe('before it registers them it patches', () => {
  test.each(Object.entries(PATCHES))('%s', async (_what, patch) => {
    const source = {
      manifest: { name: 'early-patcher' },
      'first.ts': `{ ${patch} }`,
      'index.ts': `import './first.ts';${EARLY}`,
    };
    // What breaks the plugin's own registering fails its load, at once and as a whole.
    const { status, body } = await tryInstall(core, source);
    if (status === 201) {
      expect(await core.api('GET', '/api/plugins/early-patcher/ping', { token: null })).toMatchObject({
        body: { pong: 1 },
      });
      expect((await core.api('DELETE', '/api/plugins/early-patcher')).status).toBe(204);
    } else {
      expect({ status, code: body.code }).toEqual({ status: 422, code: 'plugin_load_failed' });
    }
    expect((await neighbour.get('/ping')).body).toEqual({ pong: true });
  });
});

/** Puts a look-through in place of each method of the language: what a guest sees that listens in. */
const LISTEN = `
  const seen = [];
  const apply = Reflect.apply;
  const look = (value) => { if (typeof value === 'function' || (typeof value === 'object' && value !== null)) seen[seen.length] = value };
  const names = Object.getOwnPropertyNames;
  const text = Function.prototype.toString;
  const bare = (list) => Object.setPrototypeOf(list, null);
  bare(seen);
  const through = (method, at) => function (...args) {
    look(this);
    for (let i = 0; i < args.length; i += 1) look(args[i]);
    return new.target === undefined ? apply(method, this, args) : Reflect.construct(method, args, new.target);
  };
  const owners = [Object, Array, Array.prototype, Object.getPrototypeOf([].values()), Promise, Promise.prototype, Map.prototype, Set.prototype,
    WeakMap.prototype, String.prototype, JSON, Reflect, Math, RegExp.prototype, Uint8Array.prototype, Object.getPrototypeOf(Uint8Array.prototype),
    Error, Date, Symbol, Function.prototype];
  const { defineProperty, getOwnPropertyDescriptor } = Object;
  const { ownKeys } = Reflect;
  for (let o = 0; o < owners.length; o += 1) {
    const keys = ownKeys(owners[o]);
    for (let k = 0; k < keys.length; k += 1) {
      const found = getOwnPropertyDescriptor(owners[o], keys[k]);
      if (typeof found.value !== 'function' || !found.configurable || keys[k] === 'constructor' || keys[k] === 'toString') continue;
      defineProperty(owners[o], keys[k], { ...found, value: through(found.value) });
    }
  }
  const kept = globalThis.Promise;
  globalThis.Promise = new Proxy(kept, { construct(target, args, to) { look(args[0]); return Reflect.construct(target, args, to === globalThis.Promise ? target : to) } });
  Error.prepareStackTrace = (error, sites) => {
    look(error);
    for (let i = 0; i < sites.length; i += 1) { look(sites[i].getThis()); look(sites[i].getFunction()); }
    return '';
  };
  const { toString: tag } = Object.prototype;
  const { includes } = String.prototype;
  const has = (value, ...keys) => { for (let i = 0; i < keys.length; i += 1) if (!Object.hasOwn(value, keys[i])) return false; return true };
  const whatIs = (value) => {
    if (typeof value === 'function') {
      const source = apply(text, value, []);
      return apply(includes, source, ['calledFrom']) || apply(includes, source, ['.length},$']) ? 'a function of the bridge' : null;
    }
    if (has(value, 'call', 'register', 'send')) return 'the host';
    if (has(value, 'calledFrom')) return 'a call under way';
    if (has(value, 'monotonic')) return 'the primitives';
    if (has(value, 'enter', 'drain')) return 'the entrance';
    if (has(value, 'head', 'binary')) return 'a reply';
    if (has(value, 'controller', 'binary')) return 'an invocation';
    return ArrayBuffer.isView(value) && apply(tag, value.buffer, []) !== '[object ArrayBuffer]' ? 'shared memory' : null;
  };
  globalThis.whatWasHeard = () => {
    const found = [];
    const done = new WeakSet();
    const queue = [];
    for (let i = 0; i < seen.length; i += 1) queue[i] = [seen[i], 0];
    for (let at = 0; at < queue.length; at += 1) {
      const [value, depth] = queue[at];
      if ((typeof value !== 'object' && typeof value !== 'function') || value === null || done.has(value)) continue;
      done.add(value);
      const what = whatIs(value);
      if (what !== null) found[found.length] = what;
      if (depth === 3) continue;
      const keys = ownKeys(value);
      for (let k = 0; k < keys.length && k < 100; k += 1) {
        const part = getOwnPropertyDescriptor(value, keys[k]);
        if (part !== undefined && 'value' in part) queue[queue.length] = [part.value, depth + 1];
      }
    }
    return { heard: queue.length, found, control: [whatIs({ call: 1, register: 1, send: 1 }), whatIs(() => 'calledFrom')] };
  };`;

test('who listens in on the language hears nothing of the bridge', async () => {
  const permissions = ['plugins:call:good-neighbour'];
  const spy = await installEvaluator(core, 'early-spy', { permissions }, { first: `{ ${LISTEN} }` });
  await answersRight(spy.name);
  await spy.value(`
    await ctx.storage.set('a', { b: 1 }); await ctx.storage.get('a'); await ctx.storage.list({}); await ctx.storage.increment('n');
    await ctx.events.emit('told', [1]); ctx.log.info('x', { error: new Error('y') }); console.log('%s', {});
    await ctx.plugins.call('good-neighbour', 'echo', 1); await ctx.secrets.list(); await ctx.storage.get('').catch(() => 0);
    await ctx.fetch('http://127.0.0.1:9/').catch(() => 0); setTimeout(() => {}, 1); ctx.scheduler.every('1h', () => 0)();
    return { ...ctx.config }`);
  await until(async () => (await spy.value('return heard.length')) === 1, 'the event is heard');
  expect(await spy.raw(`throw new Proxy(new Error('x'), {})`)).toMatchObject({ status: 500 });
  expect(
    await spy.raw(`return new Response(new ReadableStream({ start(c) { c.enqueue(new Uint8Array(9)); c.close() } }))`),
  ).toMatchObject({ status: 200 });
  const { heard, found, control } = await spy.value('return whatWasHeard()');
  expect(control).toEqual(['the host', 'a function of the bridge']);
  expect(heard).toBeGreaterThan(1_000);
  expect(found).toEqual([]);
});

test('ADVERSARY 18: what one call changes, neither another plugin nor the next version sees', async () => {
  await evil.renew();
  await evil
    .value(`
    globalThis.leftBehind = 1; Object.prototype.leftBehind = 1; Array.prototype.map = null; ctx.leftBehind = 1;
    JSON.stringify.leftBehind = 1; Response.prototype.leftBehind = 1; globalThis.streamspace = null; return 1`)
    .catch(() => null);
  const look = `return [typeof leftBehind, typeof ({}).leftBehind, typeof [].map, typeof JSON.stringify.leftBehind, typeof Response.prototype.leftBehind, typeof streamspace]`;
  const untouched = ['undefined', 'undefined', 'function', 'undefined', 'undefined', 'object'];
  expect(await neighbour.value(look)).toEqual(untouched);
  await evil.renew();
  expect(await evil.value(look)).toEqual(untouched);
});
