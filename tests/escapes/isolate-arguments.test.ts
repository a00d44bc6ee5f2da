import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { type Evaluator, installEvaluator } from '../kit/evaluator.ts';
import { type RunningCore, startCore } from '../kit/start-core.ts';
import { until } from '../kit/until.ts';

// ADVERSARY 10 to 12: what a guest hands over. Half a gigabyte that is not there yet, what JSON cannot say, and keys that
// are prototypes elsewhere.

setDefaultTimeout(60_000);

let core: RunningCore;
let evil: Evaluator;

beforeAll(async () => {
  core = await startCore();
  const manifest = {
    permissions: ['plugins:call:evil-giver', 'network:127.0.0.1'],
    // What is measured is memory: on a busy machine the handlers take longer than they compute.
    limits: { memoryMb: 64, cpuMsPerCall: 10_000 },
    configSchema: { type: 'object', properties: { open: { type: 'object' } } },
  };
  evil = await installEvaluator(core, 'evil-giver', manifest);
});
afterAll(async () => {
  await core?.stop();
});

const metrics = async () => (await core.api('GET', '/api/plugins/evil-giver/metrics')).body;

/** 536 million characters that take no memory until somebody reads one. */
const ROPE = `const rope = 'x'.repeat(2 ** 28) + 'y'.repeat(2 ** 28 - 64)`;

describe('a rope is refused before anybody reads it', () => {
  test.each<[string, string, RegExp]>([
    ['storage, the key', 'ctx.storage.get(rope)', /longer than|characters/],
    ['storage, the value', `ctx.storage.set('k', { deep: [rope] })`, /value\/deep\/0: holds more than/],
    ['storage, a key of the value', `ctx.storage.set('k', { [rope.slice(0, 0) + 'k']: rope })`, /value\/k/],
    ['storage, in many pieces', `ctx.storage.set('k', Array(9).fill('x'.repeat(200_000)))`, /holds more than/],
    ['storage, the cursor', 'ctx.storage.list({ cursor: rope })', /cursor: holds more than/],
    ['events', `ctx.events.emit('told', rope)`, /data: holds more than/],
    ['events, the name', `ctx.events.emit(rope)`, /longer than/],
    ['plugins', `ctx.plugins.call('evil-giver', 'echo', 1, rope)`, /args\/1: holds more than/],
    ['plugins, the method', `ctx.plugins.call('evil-giver', rope)`, /longer than/],
    ['secrets', 'ctx.secrets.get(rope)', /longer than/],
    ['database', 'ctx.database.query(rope)', /longer than/],
    ['database, a template', 'ctx.database.query(ctx.database.sql([rope]))', /longer than/],
    ['database, a parameter', `ctx.database.query('select $1', [rope])`, /longer than/],
    ['database, in an array', `ctx.database.query('select $1', [[[rope]]])`, /longer than/],
    ['database, in JSON', `ctx.database.query('select $1', [{ rope }])`, /longer than/],
    ['database, a script', 'ctx.database.migrate(rope)', /longer than/],
    ['a job', `ctx.scheduler.schedule('0 0 * * *', () => 0, { name: rope })`, /holds more than/],
    ['an endpoint', `ctx.api.get('/x', () => 0, { summary: rope })`, /api\/summary: holds more than/],
    ['the path of an endpoint', `ctx.api.get(rope, () => 0)`, /api\/path: holds more than/],
    ['a schema', `ctx.api.get('/x', () => 0, { validation: { body: { const: rope } } })`, /holds more than/],
    ['a body to send', `ctx.fetch('http://127.0.0.1:9/', { method: 'POST', body: rope })`, /longer than/],
    ['a Response', `new Response(rope)`, /longer than/],
    ['Response.json', `Response.json({ rope })`, /longer than/],
    ['the helper json', `heard.ctx.json([rope])`, /longer than/],
  ])('%s', async (_what, call, told) => {
    const code = `${ROPE}; heard.ctx = ctx; globalThis.registered = null; return await ${call}`;
    const { error } = await evil.run(code);
    expect(error?.message).toMatch(told);
  });

  test.each<[string, string, RegExp]>([
    ['as an answer', 'return rope', /longer than/],
    ['inside an answer', 'return { rope }', /longer than/],
    ['thrown', 'throw rope', /a text of 53687\d+ characters/],
    ['as the message of an error', `throw new Error(rope)`, /a text of 53687\d+ characters/],
    ['as everything of an error', `throw { name: rope, message: rope, stack: rope, code: rope }`, /a text of/],
    ['as the cause of an error', `throw new Error('outer', { cause: { stack: rope } })`, /outer/],
  ])('%s', async (_what, code, told) => {
    const { status, body } = await evil.raw(`${ROPE}; ${code}`);
    expect({ status, code: body.code }).toEqual({ status: 500, code: 'plugin_error' });
    expect(JSON.parse(await core.logged('evil-giver', body.errorId)).message).toMatch(told);
  });

  test('in the log its length is told, not its text', async () => {
    await evil.value(
      `${ROPE}; ctx.log.info(rope); ctx.log.warn('fields', { rope, [rope.slice(0, 0) + 'k']: [rope] }); console.log(rope); console.log('%s', rope); console.error({ a: 1, rope }, rope); console.log(new Error(rope)); ctx.log.error('as an error', { error: new Error(rope) }); console.count(rope)`,
    );
    const line = await core.logged('evil-giver', '"message":"fields"');
    expect(line.match(/a text of 536870848 characters/g)).toHaveLength(2);
    expect(line.length).toBeLessThan(2_000);
  });

  test('as what an exposed method answers', async () => {
    const { error } = await evil.run(
      `return ctx.plugins.call('evil-giver', 'run', ${JSON.stringify(`${ROPE}; return rope`)})`,
    );
    expect(error?.code).toBe('plugin_error');
  });

  test('many small ones at once: the mailbox is full before the memory is', async () => {
    const code = `
      const text = 'x'.repeat(200_000);
      const settled = await Promise.allSettled(Array.from({ length: 300 }, (_, i) => ctx.storage.get(text + i)));
      for (let i = 0; i < 300; i += 1) ctx.log.info(text);
      return [...new Set(settled.map(({ reason }) => reason.code))].sort()`;
    expect(await evil.value(code)).toEqual(['invalid_input', 'quota_exceeded']);
  });

  test('and through all of that the isolate and its host were never lost', async () => {
    expect((await metrics()).restarts).toBe(0);
    expect(core.lines.filter(({ msg }) => /died|lost/.test(String(msg)))).toEqual([]);
  });
});

describe('what JSON cannot say is refused by name, and never becomes nothing', () => {
  const VALUES: Readonly<Record<string, string>> = {
    'a function': '() => 1',
    'an async generator': '(async function* () {})',
    'a class': 'class {}',
    'a symbol': `Symbol('s')`,
    'a bigint': '1n',
    undefined: 'undefined',
    'a Map': 'new Map([[1, 2]])',
    'a Set': 'new Set([1])',
    'a WeakMap': 'new WeakMap()',
    'an error': `new Error('x')`,
    'a promise': 'Promise.resolve(1)',
    'a regular expression': '/x/',
    'an empty instance': 'new (class Mine { #secret = 1 })()',
    'a proxy of a function': 'new Proxy(() => 1, {})',
    'a proxy of a Map': 'new Proxy(new Map(), {})',
    bytes: 'new Uint8Array(3)',
    'a buffer': 'new ArrayBuffer(3)',
    'a DataView': 'new DataView(new ArrayBuffer(3))',
    NaN: 'NaN',
    'a circle': '(() => { const a = {}; a.a = a; return a })()',
    'a Request': `new Request('http://h/')`,
    'a stream': 'new ReadableStream()',
    'a generator': '(function* () {})()',
  };

  const CALLS: Readonly<Record<string, (value: string) => string>> = {
    'storage.set': (value) => `ctx.storage.set('k', ${value})`,
    'storage.set, inside': (value) => `ctx.storage.set('k', { a: [${value}] })`,
    'events.emit, inside': (value) => `ctx.events.emit('told', [${value}])`,
    'plugins.call': (value) => `ctx.plugins.call('evil-giver', 'echo', ${value})`,
    'plugins.call, inside': (value) => `ctx.plugins.call('evil-giver', 'echo', { a: [${value}] })`,
    'storage.increment': (value) => `ctx.storage.increment('n', [${value}][0] === undefined ? 'x' : ${value})`,
    'storage.get': (value) => `ctx.storage.get(${value})`,
    'storage.delete': (value) => `ctx.storage.delete(${value})`,
    'storage.list': (value) => `ctx.storage.list({ prefix: [${value}][0] ?? 1 })`,
    'secrets.get': (value) => `ctx.secrets.get(${value})`,
    'plugins.get': (value) => `ctx.plugins.get(${value})`,
    'events.emit, the name': (value) => `ctx.events.emit(${value})`,
    'a schema': (value) => `ctx.api.get('/y', () => 0, { validation: { body: { a: [${value}] } } })`,
    'a summary': (value) =>
      `Promise.resolve(ctx.api.get('/y/' + Math.random(), () => 0, { summary: [${value}][0] ?? 7 })).then(() => { throw new TypeError('log') })`,
    'a job': (value) =>
      `ctx.scheduler.every('1h', ${value.startsWith('(') || value.includes('=>') || value.startsWith('class') ? '0' : value})`,
  };

  test.each(Object.entries(CALLS))('%s', async (_call, make) => {
    for (const [what, value] of Object.entries(VALUES)) {
      const { error, value: got } = await evil.run(`return ['got', await ${make(value)}]`);
      expect({ what, got }).toEqual({ what, got: undefined });
      expect(`${what}: ${error?.name} ${error?.message}`).toMatch(/TypeError|RangeError|StreamSpaceError/);
      expect(`${what}: ${error?.message}`).not.toMatch(/\/work|node_modules|core failed|internal/);
    }
  });

  test('what has a JSON form of its own goes by it; a proxy by what it shows', async () => {
    const code = `
      await ctx.storage.set('k', { at: new Date(0), url: new URL('http://h/'), proxy: new Proxy({ a: 1 }, {}), own: new (class { b = 2 })(), none: undefined });
      return ctx.storage.get('k')`;
    expect(await evil.value(code)).toEqual({
      at: '1970-01-01T00:00:00.000Z',
      url: 'http://h/',
      proxy: { a: 1 },
      own: { b: 2 },
    });
  });

  test('memory that is shared cannot be made at all', async () => {
    expect(await evil.value(`return [typeof SharedArrayBuffer, typeof Atomics, typeof WebAssembly]`)).toEqual(
      Array(3).fill('undefined'),
    );
  });
});

describe('__proto__ is a key like any other', () => {
  const PAYLOAD =
    '{"__proto__":{"polluted":"yes"},"constructor":{"prototype":{"polluted":"yes"}},"a":{"__proto__":{"polluted":"yes"}}}';
  const inGuest = `[({}).polluted, [].polluted, Object.prototype.polluted, (() => 0).polluted].filter((found) => found !== undefined)`;

  /** Nobody was polluted: neither the guest, nor the core, whose own answers are made of objects. */
  async function clean(): Promise<void> {
    expect(await evil.value(`return ${inGuest}`)).toEqual([]);
    for (const path of [
      '/api/plugins',
      '/api/plugins/evil-giver',
      '/readyz?verbose',
      '/api/openapi.json',
      '/api/users',
    ]) {
      expect(JSON.stringify((await core.api('GET', path)).body)).not.toContain('polluted');
    }
  }

  test('from a request: body, query, headers, path', async () => {
    const echoed = await core.api(
      'POST',
      '/api/plugins/evil-giver/echo/__proto__?__proto__[polluted]=yes&__proto__=1&constructor=2',
      {
        token: null,
        body: PAYLOAD,
        headers: { __proto__x: 'yes', constructor: 'x' },
      },
    );
    expect(echoed.status).toBe(200);
    expect(echoed.body.word).toBe('__proto__');
    expect(JSON.stringify(echoed.body.got)).toBe(PAYLOAD);
    await evil.value(
      `ctx.api.get('/:constructor/:toString/:hasOwnProperty', (request, { params, query }) => [params, query], { auth: 'public', validation: { query: { type: 'object' } } }); return 1`,
    );
    const path = '/api/plugins/evil-giver/__proto__/b/c';
    const answered = async () => {
      const { status, body } = await core.api('GET', `${path}?constructor=2&toString=3`, { token: null });
      return status === 200 && body;
    };
    const parts = await until(answered, 'the endpoint is registered');
    const own = parts.map((part: object) => Object.entries(part).sort());
    expect(own).toEqual([
      [
        ['constructor', '__proto__'],
        ['hasOwnProperty', 'c'],
        ['toString', 'b'],
      ],
      [
        ['constructor', '2'],
        ['toString', '3'],
      ],
    ]);
    // Where a schema looks at it, the name is refused.
    const refused = await core.api('GET', `${path}?__proto__=1&__proto__=3`, { token: null });
    expect(refused).toMatchObject({ status: 422, body: { errors: [{ pointer: '/query/__proto__' }] } });
    await clean();
  });

  test('from storage, events and calls between plugins', async () => {
    const stored = `await ctx.storage.set('proto', JSON.parse(${JSON.stringify(PAYLOAD)})); const value = await ctx.storage.get('proto'); return [JSON.stringify(value), ${inGuest}]`;
    const [text, polluted] = await evil.value(stored);
    expect(JSON.parse(text)).toEqual(JSON.parse(PAYLOAD));
    expect(polluted).toEqual([]);
    await evil.value(`await ctx.storage.set('__proto__', 1); await ctx.storage.increment('constructor'); return 1`);
    expect(
      await evil.value(`const { entries } = await ctx.storage.list({}); return entries.map(({ key }) => key)`),
    ).toContain('__proto__');

    await evil.value(`heard.length = 0; await ctx.events.emit('told', JSON.parse(${JSON.stringify(PAYLOAD)}))`);
    const heard = await until(
      () => evil.value('return heard.length === 1 && JSON.stringify(heard[0].data)'),
      'the event',
    );
    expect(JSON.parse(heard as string)).toEqual(JSON.parse(PAYLOAD));
    const called = `return JSON.stringify(await ctx.plugins.call('evil-giver', 'echo', JSON.parse(${JSON.stringify(PAYLOAD)})))`;
    expect(JSON.parse(await evil.value(called))).toEqual([JSON.parse(PAYLOAD)]);
    for (const method of ['__proto__', 'constructor', 'hasOwnProperty', 'toString']) {
      expect((await evil.run(`return ctx.plugins.call('evil-giver', '${method}')`)).error?.code).toBe(
        'method_not_exposed',
      );
    }
    await evil.value(`ctx.log.info('proto', JSON.parse(${JSON.stringify(PAYLOAD)})); return 1`);
    await core.logged('evil-giver', '"message":"proto"');
    await clean();
  });

  test('from the configuration, limits and grants', async () => {
    const patch = (body: string) =>
      core.api('PATCH', '/api/plugins/evil-giver', { body, headers: { 'content-type': 'application/json' } });
    const { status } = await patch(`{"config":{"open":${PAYLOAD}}}`);
    expect([200, 422]).toContain(status);
    await patch('{"config":{"__proto__":{"polluted":"yes"}}}');
    await patch('{"limits":{"__proto__":{"polluted":"yes"}}}');
    await patch('{"__proto__":{"enabled":false,"polluted":"yes"}}');
    expect(
      await evil.value(`return [ctx.config.polluted, ({ ...ctx.config }).polluted, ctx.config.open?.polluted]`),
    ).toEqual([null, null, null]);
    expect(await evil.value(`return ${inGuest}`)).toEqual([]);
    expect((await core.api('GET', '/api/plugins/evil-giver')).body).toMatchObject({ enabled: true, state: 'active' });
  });
});
