import { afterAll, beforeAll, beforeEach, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { type Evaluator, installEvaluator } from '../kit/evaluator.ts';
import { type RunningCore, startCore } from '../kit/start-core.ts';

// ADVERSARY 13 to 15 and 22, and what the public advisories of isolated-vm, vm2, n8n and Flowise did: a guest walks to
// whatever it can reach, by constructors, frames, errors and protocols. It meets its own world and nothing else.

setDefaultTimeout(60_000);

let core: RunningCore;
let evil: Evaluator;

beforeAll(async () => {
  core = await startCore();
  const permissions = ['plugins:call:*', 'network:nobody.invalid', 'network:127.0.0.1'];
  evil = await installEvaluator(core, 'evil-walker', { permissions });
});
afterAll(async () => {
  await core?.stop();
});
beforeEach(() => evil.renew());

/** What only a host has. */
const HOST = `['process', 'require', 'module', 'Buffer', 'global', 'Deno', 'Bun', 'setImmediate', '__dirname', 'ivm', 'boot', 'gc']`;

describe('a walk to another world ends in its own', () => {
  const hostOf = (make: string): string => `
    const take = ${make};
    const found = [];
    for (const name of ${HOST}) { const kind = await take('return typeof ' + name)(); if (kind !== 'undefined') found.push(name + ' ' + kind) }
    return found`;

  test.each<[string, string]>([
    ['this.constructor.constructor', `(code) => (function () { return this })().constructor.constructor(code)`],
    ['the constructor of a function', `(code) => (() => 0).constructor(code)`],
    ['of the context', `(code) => ctx.constructor.constructor(code)`],
    ['of a room', `(code) => ctx.storage.constructor.constructor(code)`],
    ['of a method of a room', `(code) => ctx.storage.get.constructor(code)`],
    ['of the configuration, a proxy', `(code) => ctx.config.constructor.constructor(code)`],
    ['of the request', `(code) => request.constructor.constructor(code)`],
    ['of a header', `(code) => request.headers.get('host').constructor.constructor(code)`],
    ['of the signal', `(code) => request.signal.constructor.constructor(code)`],
    ['of console', `(code) => console.log.constructor(code)`],
    ['of a native of the platform', `(code) => setTimeout.constructor(code)`],
    ['of fetch', `(code) => fetch.constructor(code)`],
    [
      'of crypto, whose bytes come from the host',
      `(code) => crypto.getRandomValues(new Uint8Array(8)).constructor.constructor(code)`,
    ],
    ['of a random text', `(code) => crypto.randomUUID().constructor.constructor(code)`],
    ['of globalThis', `(code) => globalThis.constructor.constructor(code)`],
    ['of an arguments object', `(code) => (function () { return arguments })().constructor.constructor(code)`],
    ['Reflect.construct with another target', `(code) => Reflect.construct(Function, [code], Response)`],
    ['Reflect.apply', `(code) => Reflect.apply(Function, null, [code])`],
    ['indirect eval', `(code) => (0, eval)('(function () {' + code + '})')`],
    ['a timer', `(code) => setTimeout.call.constructor(code)`],
  ])('%s', async (_what, make) => {
    expect(await evil.value(hostOf(make))).toEqual([]);
  });

  test.each([
    ['an error of the core', `await ctx.storage.get('').catch((error) => error)`],
    ['a refusal', `await ctx.fetch('http://secret.invalid:81/').catch((error) => error)`],
    ['the cause of a failed fetch', `(await ctx.fetch('http://127.0.0.1:1/').catch((error) => error)).cause`],
    ['a stored value', `(await ctx.storage.set('a', { b: [] }), await ctx.storage.get('a')).b`],
    ['an answered promise', `ctx.storage.get('a')`],
    [
      'an AggregateError',
      `await Promise.any([ctx.storage.get(''), ctx.storage.get(1)]).catch((error) => error.errors[1])`,
    ],
    [
      'a stack overflow in the platform',
      `(() => { new URL('http://h/'); let kept = null; let done = false; const deep = () => { try { deep() } catch (error) { if (!done) { try { new URL('http://h/'); done = true } catch (inner) { kept = inner } } throw error } }; try { deep() } catch (error) { return kept ?? error } })()`,
    ],
    [
      'a stack overflow in the bridge',
      `(() => { let kept = null; let done = false; const deep = () => { try { deep() } catch (error) { if (!done) { try { ctx.log.info('x'); done = true } catch (inner) { kept = inner } } throw error } }; try { deep() } catch (error) { return kept ?? error } })()`,
    ],
    [
      'a stack overflow in a call',
      `(() => { let kept = null; let done = false; const deep = () => { try { deep() } catch (error) { if (!done) { try { ctx.storage.get('a').catch(() => 0); done = true } catch (inner) { kept = inner } } throw error } }; try { deep() } catch (error) { return kept ?? error } })()`,
    ],
    ['a RangeError of memory', `(() => { try { new ArrayBuffer(2 ** 40) } catch (error) { return error } })()`],
    ['the refusal of import()', `await import('node:fs').catch((error) => error)`],
  ])('by %s', async (_what, value) => {
    const code = `
      const value = ${value};
      const own = value instanceof Object || value instanceof Promise;
      return [own, value.constructor.constructor === Function, ${HOST}.filter((name) => value.constructor.constructor('return typeof ' + name)() !== 'undefined')]`;
    expect(await evil.value(code)).toEqual([true, true, []]);
  });

  test('import, in every form, finds nothing', async () => {
    for (const what of [
      'node:fs',
      'fs',
      'isolated-vm',
      './first.ts',
      'file:///etc/passwd',
      'data:text/javascript,export default 1',
      'streamspace:prelude',
    ]) {
      const code = `return await import(${JSON.stringify(what)}).then(() => 'imported', (error) => String(error))`;
      expect(await evil.value(code)).toBe('Error: Not supported');
      expect(
        await evil.value(
          `return await new Function('return import(' + ${JSON.stringify(JSON.stringify(what))} + ')')().then(() => 'imported', () => 'refused')`,
        ),
      ).toBe('refused');
    }
    expect((await evil.run(`return import.meta`)).error?.name).toBe('SyntaxError');
  });

  test('generators, async generators and their prototypes lead to functions of the guest only', async () => {
    const code = `
      const makers = [function () {}, async function () {}, function* () {}, async function* () {}].map((fn) => fn.constructor);
      const out = [];
      for (const Maker of makers) {
        const made = new Maker('return typeof process');
        const got = made();
        out.push(typeof got === 'string' ? got : got.next ? (await got.next()).value : await got);
      }
      return out`;
    expect(await evil.value(code)).toEqual(Array(4).fill('undefined'));
  });

  // vm2 GHSA-g644-9gfx-q4q4: a return of an async generator with a thenable ran host code on a guest's object.
  test('async generators: what return() and yield* are given', async () => {
    const code = `
      const seen = [];
      const thenable = { get then() { seen.push('asked'); return (ok, fail) => { seen.push(typeof ok, ok.constructor === Function, typeof process); fail(new Error('x')) } } };
      const make = async function* () { try { yield 1 } catch (error) { seen.push(error.constructor.constructor === Function) } };
      const one = make(); await one.next(); await one.return(thenable).catch((error) => seen.push(error.message));
      async function* two() { yield* { [Symbol.asyncIterator]: () => ({ next: () => thenable, return: () => thenable }) } }
      await two().next().catch((error) => seen.push(error.message));
      return [...new Set(seen)]`;
    expect(await evil.value(code)).toEqual(['asked', 'function', true, 'undefined', 'x']);
  });

  // vm2 GHSA-cchq-frgv-rjh5, whpj-8f3w-67p5: a species, or a then, that is called with the host's own functions.
  test('promises of the platform with a species and a then of the guest', async () => {
    const code = `
      const given = [];
      const Native = Promise;
      class Spy extends Native { constructor(run) { given.push(run); super(run) } }
      Object.defineProperty(Native, Symbol.species, { get: () => Spy });
      const then = Native.prototype.then;
      Native.prototype.then = function (ok, fail) { given.push(ok, fail); return Reflect.apply(then, this, [ok, fail]) };
      await ctx.storage.get('a'); await Response.json({}).json(); await new Response(new Blob(['x'])).text(); await ctx.fetch('http://127.0.0.1:1/').catch(() => 0);
      return given.filter((value) => typeof value === 'function').every((value) => value.constructor === Function && value.constructor('return typeof process')() === 'undefined')`;
    expect(await evil.value(code)).toBe(true);
  });

  // vm2 GHSA-ch3r-j5x3-6q2m, hw58-p9xv-2mjh: proxies and prototypes put under what the host touches.
  test('proxies as prototypes, receivers and targets of what the platform is given', async () => {
    const code = `
      const seen = new Set();
      const note = (value) => { if (typeof value === 'function') seen.add(value) };
      const spy = (target) => new Proxy(target, Object.fromEntries(Object.getOwnPropertyNames(Reflect).map((trap) => [trap, (...args) => { args.forEach(note); return Reflect[trap](...args) }])));
      const attempts = [
        () => new Response(spy({ toString: () => 'x' }), spy({ headers: spy({ a: 'b' }) })),
        () => new Request(spy(new URL('http://h/')), spy({ method: 'POST', body: spy({}) })),
        () => new Headers(spy([['a', 'b']])),
        () => Object.setPrototypeOf(ctx.storage, spy({})),
        () => Reflect.construct(Response, ['x'], spy(function () {})),
        () => Reflect.construct(Response, ['x'], spy(Response)),
        () => structuredClone(spy({ a: 1 })),
        () => ctx.storage.set('k', spy({ a: spy([1]) })),
        () => ctx.log.info('x', spy({ error: spy(new Error('y')) })),
        () => console.log(spy({ a: 1 }), spy([]), spy(() => 0)),
        () => ctx.events.on(spy({ toString: () => 'a' }), spy(() => 0)),
        () => ctx.fetch('http://127.0.0.1:1/', spy({ signal: spy(new AbortController().signal), headers: spy({}) })).catch(() => 0),
        () => new ReadableStream(spy({ pull: spy((c) => c.close()) }), spy({ highWaterMark: 0 })).getReader().read(),
        () => ctx.api.get(spy({}), spy(() => 0)),
        () => ctx.plugins.expose(spy({ ok: spy(() => 0) })),
        () => ctx.scheduler.every(spy({}), spy(() => 0)),
        () => queueMicrotask(spy(() => 0)),
        () => crypto.getRandomValues(spy(new Uint8Array(4))),
      ];
      for (const attempt of attempts) { try { await attempt() } catch (error) { note(error.constructor) } }
      return [...seen].filter((fn) => fn.constructor('return typeof process')() !== 'undefined' || /calledFrom|\\.length\\},/.test(String(fn))).length`;
    expect(await evil.value(code)).toBe(0);
  });

  // vm2 GHSA-mrgp-mrhc-5jrq: a custom inspection was given the host's inspect function.
  test('custom inspection is not asked', async () => {
    const code = `
      const given = [];
      const spy = { [Symbol.for('nodejs.util.inspect.custom')]: (...args) => { given.push(...args) }, inspect: (...args) => { given.push(...args) }, [Symbol.toStringTag]: 'x', get constructor() { given.push('constructor'); return Object } };
      console.log(spy, '%o', [spy]); console.dir(spy); console.table([spy]); ctx.log.info('x', { spy, error: Object.assign(new Error('y'), spy) });
      return given.filter((value) => typeof value === 'function').length`;
    expect(await evil.value(code)).toBe(0);
  });
});

describe('frames', () => {
  // vm2 GHSA-v27g-jcqj-v8rw and others: prepareStackTrace, called with frames of the host.
  test('prepareStackTrace is shown no function, receiver or file of anybody else', async () => {
    const code = `
      const odd = []; const files = new Set(); let frames = 0;
      Error.stackTraceLimit = 200;
      Error.prepareStackTrace = (error, sites) => {
        for (const site of sites) {
          frames += 1;
          const file = String(site.getFileName() ?? site.getEvalOrigin() ?? '');
          files.add(file.replace(/:\\d+:\\d+/g, ''));
          if (/^(streamspace:)?prelude/.test(file) && (site.getFunction() !== undefined || site.getThis() !== undefined)) odd.push(String(site));
          const self = site.getThis();
          if (self !== undefined && self !== globalThis && typeof self === 'object' && self !== null && ('register' in self || 'random' in self || 'isolate' in self)) odd.push('this');
        }
        return 'prepared';
      };
      const look = () => { new Error('x').stack; return 'looked' };
      look();
      JSON.stringify({ toJSON: look });
      ctx.log.info({ toString: look });
      try { new Response('', { status: { valueOf: look } }) } catch (error) { error.stack }
      await ctx.storage.get('').catch((error) => error.stack);
      await ctx.storage.set('k', { toJSON: look });
      queueMicrotask(look);
      await new Promise((done) => setTimeout(() => { look(); done() }, 1));
      new EventTarget().addEventListener('x', look);
      request.signal.addEventListener('abort', look);
      await new ReadableStream({ pull(c) { look(); c.close() } }).getReader().read();
      [1].map(look); 'x'.replace('x', look); Reflect.construct(class { constructor() { look() } }, []);
      await (async () => { await 0; look() })();
      return [odd, frames > 30, [...files].filter((file) => !/^(eval at|plugin:|streamspace:prelude|)/.test(file) || /[/\\\\]|node:/.test(file))]`;
    expect(await evil.value(code)).toEqual([[], true, []]);
  });

  test('callers and arguments of strict code are not shown', async () => {
    const code = `
      const out = [];
      function sloppy() { for (const get of [() => sloppy.caller, () => sloppy.arguments.callee, () => arguments.callee.caller, () => sloppy.caller.caller]) { try { const got = get(); out.push(got === null || got === sloppy || String(got).includes('sloppy')) } catch (error) { out.push(error.name) } } return 'x' }
      sloppy();
      ctx.log.info({ toString: sloppy });
      JSON.stringify({ toJSON: sloppy });
      await new Promise((done) => setTimeout(() => { sloppy(); done() }));
      for (const fn of [ctx.storage.get, fetch, Response, setTimeout, console.log]) {
        for (const key of ['caller', 'arguments', 'callee']) { try { if (fn[key] !== undefined && fn[key] !== null) out.push(key) } catch (error) { out.push(error.name) } }
      }
      return [...new Set(out)].filter((found) => found !== true && found !== 'TypeError')`;
    expect(await evil.value(code)).toEqual([]);
  });
});

describe('everything that can be reached', () => {
  test('holds no isolated-vm object, no shared memory, nothing of the prelude’s own', async () => {
    const code = `
      const start = Object.entries({ globalThis, ctx, request, args: (function () { return arguments })(), error: await ctx.storage.get('').catch((error) => error), refused: await ctx.fetch('http://a.invalid/').catch((error) => error),
        response: new Response('x'), stream: new Response('x').body, signal: request.signal, headers: request.headers, weak: new WeakRef({}), registry: new FinalizationRegistry(() => 0),
        iterator: request.headers[Symbol.iterator](), params: new URLSearchParams('a=1').entries(), generator: (function* () {})(), async: (async function* () {})(), bound: ctx.storage.get.bind(ctx), proxy: ctx.config });
      const seen = new Map(); const found = []; const queue = start.map(([name, value]) => [value, name, null]);
      const natives = new Set(['Reference', 'ExternalCopy', 'Isolate', 'Context', 'Callback', 'Script', 'Module', 'Lease', 'NativeModule', 'InspectorSession', 'SharedArrayBuffer', 'Atomics']);
      const internal = /^(makeRequest|readResponse|readRequest|makeResponse|wake|monotonic|installWeb|setPrimitives|hardenGlobals|drain|post|shareMailbox|enter|define|receive|settleLoad|register|readStream|writeStream|calledFrom|boot|random)$/;
      while (queue.length > 0) {
        const [value, path, owner] = queue.pop();
        if ((typeof value !== 'object' && typeof value !== 'function') || value === null || seen.has(value)) continue;
        seen.set(value, path);
        const tag = Object.prototype.toString.call(value).slice(8, -1);
        const name = typeof value === 'function' ? value.name : value.constructor?.name;
        if (natives.has(tag) || natives.has(String(name))) found.push([path, tag, String(name)]);
        if (typeof value === 'function' && /calledFrom|\\.length\\},\\$/.test(Function.prototype.toString.call(value))) found.push([path, 'bridge']);
        let keys = []; try { keys = Reflect.ownKeys(value) } catch (error) { queue.push([error, path + '!', null]) }
        for (const key of keys) {
          const there = path + '.' + String(key);
          if (typeof key === 'string' && internal.test(key) && !(value === Math || value === ctx.api || value === FinalizationRegistry.prototype)) found.push([there]);
          let one; try { one = Reflect.getOwnPropertyDescriptor(value, key) } catch (error) { queue.push([error, there, null]); continue }
          if (one === undefined) continue;
          queue.push([one.value, there, value], [one.get, there + '(get)', value], [one.set, there + '(set)', value]);
          if (one.get !== undefined) { try { const got = Reflect.apply(one.get, value, []); queue.push([got, there + '()', value]); if (got instanceof Promise) got.catch(() => 0) } catch (error) { queue.push([error, there + '!', null]) } }
        }
        try { queue.push([Reflect.getPrototypeOf(value), path + '.__proto__', null]) } catch (error) { queue.push([error, path + '!', null]) }
        if (value instanceof WeakRef) queue.push([value.deref(), path + '.deref', null]);
      }
      return [found, seen.size > 1500]`;
    expect(await evil.value(code)).toEqual([[], true]);
  });

  test('the globals are those of the language and of the web, and nothing else', async () => {
    const names = (await evil.value(`return Object.getOwnPropertyNames(globalThis)`)) as string[];
    const language =
      /^(Object|Function|Array|Number|parseFloat|parseInt|Infinity|NaN|undefined|Boolean|String|Symbol|Date|Promise|RegExp|\w*Error|JSON|Math|Intl|\w*Array|ArrayBuffer|DataView|(Weak)?(Map|Set)|BigInt|Proxy|Reflect|FinalizationRegistry|WeakRef|(de|en)codeURI(Component)?|escape|unescape|eval|isFinite|isNaN|console|Iterator|AsyncIterator|globalThis|Temporal|(Async)?DisposableStack)$/;
    const web =
      /^(AbortController|AbortSignal|Blob|\w*QueuingStrategy|[Cc]rypto|CryptoKey|SubtleCrypto|(Custom|Error|Message|Progress|PromiseRejection)?Event|DOMException|EventTarget|File|FileReader|FormData|Message(Channel|Port)|on(error|rejectionhandled|unhandledrejection)|URLPattern|Headers|[Nn]avigator|[Pp]erformance|\w*Stream\w*|Request|Response|Text(De|En)coder|URL|URLSearchParams|atob|btoa|(clear|set)(Interval|Timeout)|fetch|queueMicrotask|reportError|structuredClone|self)$/;
    expect(names.filter((name) => !language.test(name) && !web.test(name))).toEqual(['streamspace', 'ctx']);
  });
});

describe('what a guest is told of a failure has no path and no frame of the host or the core', () => {
  const PRIVATE =
    /\/(work|tmp|home|root|usr|etc|proc|src)\/|node_modules|node:internal|file:\/\/|\.(ts|js|mjs|cjs):\d|isolated-vm|kysely|typebox|postgres|ECONNREFUSED .*\/|at async \w+ \(\//i;

  test.each([
    [
      'storage',
      [
        'get()',
        'get(7)',
        `set('k', 'x'.repeat(300000))`,
        `set('k', 1, { ifVersion: 9 })`,
        `set('k', 1, { ttl: -1 })`,
        `increment('text')`,
        `list({ limit: 0 })`,
        `list({ cursor: '!!' })`,
        `get('\\ud800')`,
        `set('k', '\\u0000')`,
        `delete('k', { ifVersion: 'x' })`,
      ],
    ],
    ['secrets', ['get()', `get('x'.repeat(1000))`, 'get({})']],
    [
      'events',
      [
        `emit()`,
        `emit('a b')`,
        `emit('x'.repeat(999))`,
        `emit('../x')`,
        `emit('told', 'x'.repeat(300000))`,
        `emit({ toString() { throw new Error('mine') } })`,
      ],
    ],
    [
      'plugins',
      [
        `get('../x')`,
        `get('PG_')`,
        `call('nobody-here', 'x')`,
        `call('evil-walker', 'not there')`,
        `call('evil-walker', 'run', 'throw new Error("inside")')`,
      ],
    ],
    [
      'fetch',
      [
        `call(null, 'http://127.0.0.1:1/')`,
        `call(null, 'http://nobody.invalid/')`,
        `call(null, 'file:///etc/passwd')`,
        `call(null, 'http://127.0.0.1:25/')`,
        `call(null, 'https://127.0.0.1:PORT/')`,
        `call(null, 'not a url')`,
        `call(null, 'http://127.0.0.1:PORT/', { method: 'A B' })`,
        `call(null, 'ftp://h/')`,
      ],
    ],
    [
      'scheduler',
      [
        `schedule('every day', () => 0)`,
        `every('1ms', () => 0)`,
        `schedule('* * * * *', () => 0, { timezone: 'Nowhere/Else' })`,
        `every('1h', () => 0, { name: '../..' })`,
      ],
    ],
    [
      'api',
      [
        `get('no slash%2f', () => 0)`,
        `get('/enable', () => 0)`,
        `get('/x', 7)`,
        `get('/x', () => 0, { rateLimit: { max: 0, window: '1m' } })`,
        `get('/x', () => 0, { validation: { body: { type: 'nothing' } } })`,
        `get('/x', () => 0, { validation: { body: { pattern: '(' } } })`,
      ],
    ],
    ['budget', [`get('none')`, `get({})`]],
  ] as [string, string[]][])('%s', async (room, calls) => {
    const port = new URL(core.url).port;
    for (const call of calls) {
      const code = `
        const said = [];
        const words = (error) => { for (let at = error, depth = 0; at !== null && typeof at === 'object' && depth < 5; at = at.cause, depth += 1) said.push(...Reflect.ownKeys(at).map((key) => String(key) + ': ' + (typeof at[key] === 'object' ? JSON.stringify(at[key]) : String(at[key]))), String(at), String(at.stack)) };
        try { await ctx.${room}.${call.replaceAll('PORT', port)} } catch (error) { words(error) }
        return said.map((line) => line.replace(/plugin:evil-walker:\\d+:\\d+/g, 'plugin'))`;
      for (const line of (await evil.value(code)) as string[])
        expect(`${room}.${call}: ${line}`.replace(call, '')).not.toMatch(PRIVATE);
    }
  });
});

test('ADVERSARY 22: plugins that call each other in a circle get an error of depth, and go on', async () => {
  const permissions = ['plugins:call:evil-walker'];
  const other = await installEvaluator(core, 'evil-partner', { permissions });
  const back = `return ctx.plugins.call(args[0], 'run', args[2], args[1], args[0], args[2])`;
  const code = `return ctx.plugins.call('evil-partner', 'run', ${JSON.stringify(back)}, 'evil-walker', 'evil-partner', ${JSON.stringify(back)}).then(() => 'went on', (error) => error.code + ' ' + error.message)`;
  expect(await evil.value(code)).toMatch(/too_deep|Plugins call each other|passed through/);
  // Itself, too, and many at a time: the depth is of the chain, not of the number of calls.
  const selfCall = JSON.stringify(`return ctx.plugins.call('evil-walker', 'run', args[0], args[0])`);
  expect(
    (await evil.run(`return ctx.plugins.call('evil-walker', 'run', ${selfCall}, ${selfCall})`)).error?.message,
  ).toMatch(/passed through/);
  const many = `const all = await Promise.allSettled(Array.from({ length: 50 }, (_, i) => ctx.plugins.call('evil-partner', 'echo', i))); return all.filter(({ status }) => status === 'fulfilled').length`;
  expect(await evil.value(many)).toBe(50);
  expect((await other.get('/ping')).body).toEqual({ pong: true });
});
