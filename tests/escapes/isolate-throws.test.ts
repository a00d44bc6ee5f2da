import { afterAll, beforeAll, beforeEach, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { type Evaluator, installEvaluator } from '../kit/evaluator.ts';
import { startLoad } from '../kit/load.ts';
import { type RunningCore, startCore } from '../kit/start-core.ts';
import { until } from '../kit/until.ts';

// ADVERSARY 3 and 4: what a guest throws or leaves rejected runs its code when somebody looks at it. Whoever loops there is
// ended, the others go on; whoever only lies is answered 500 and stays.

setDefaultTimeout(60_000);

let core: RunningCore;
let evil: Evaluator;

beforeAll(async () => {
  core = await startCore();
  const limits = { cpuMsPerCall: 100, wallMsPerCall: 1_000 };
  evil = await installEvaluator(core, 'evil-thrower', { limits });
  await installEvaluator(core, 'good-neighbour');
});
afterAll(async () => {
  await core?.stop();
});

async function restarts(): Promise<number> {
  return (await core.api('GET', '/api/plugins/evil-thrower/metrics')).body.restarts;
}

const LOOP = '() => { for (;;); }';
const TRAPS = `Object.fromEntries(Object.getOwnPropertyNames(Reflect).map((trap) => [trap, ${LOOP}]))`;
const looping = (key: string): string => `Object.defineProperty(new Error('x'), '${key}', { get: ${LOOP} })`;

/** Values that never let go of who looks at them. */
const EVIL: Readonly<Record<string, string>> = {
  'a proxy whose traps loop': `new Proxy({}, ${TRAPS})`,
  'a proxy of an error whose traps loop': `new Proxy(new Error('x'), ${TRAPS})`,
  'a proxy of a function whose traps loop': `new Proxy(() => 0, ${TRAPS})`,
  'a getter of message': looping('message'),
  'a getter of name': looping('name'),
  'a getter of stack': looping('stack'),
  'a getter of cause': looping('cause'),
  'a getter of code': looping('code'),
  'a getter inside the cause': `new Error('x', { cause: ${looping('stack')} })`,
  'a looping toJSON': `({ toJSON: ${LOOP} })`,
};

describe('a handler that throws what loops', () => {
  let others: ReturnType<typeof startLoad>;
  beforeEach(() => evil.renew());
  beforeAll(() => {
    others = startLoad(
      `${core.url}/api/plugins/good-neighbour/ping`,
      ({ status, headers }) => (status === 503 ? headers.get('retry-after') === '1' : status === 200),
      1,
    );
  });
  afterAll(async () => {
    await others.stop();
    expect(others.odd).toEqual([]);
  });

  test.each(Object.entries(EVIL))('%s', async (_what, value) => {
    expect(await evil.raw(`throw ${value}`)).toMatchObject({ status: 504, body: { code: 'plugin_deadline' } });
    expect((await evil.get('/ping')).body).toEqual({ pong: true });
  });

  test.each([
    ['a looping prepareStackTrace', `Error.prepareStackTrace = ${LOOP}; throw new Error('x')`],
    ['a looping then', `return { then: ${LOOP} }`],
    ['a looping getter of then', `return Object.defineProperty({}, 'then', { get: ${LOOP} })`],
    ['a rejection with one', `return Promise.reject(${EVIL['a proxy whose traps loop']})`],
    ['an answer whose toJSON loops', `return { toJSON: ${LOOP} }`],
    ['an answer with a looping getter', `return { get a() { for (;;); } }`],
    ['a header that loops', `return new Response('', { headers: { a: { toString: ${LOOP} } } })`],
    ['a looping toPrimitive', `return new Response('', { status: { [Symbol.toPrimitive]: ${LOOP} } })`],
    ['a rejection of waitUntil', `ctx.waitUntil(Promise.reject(${looping('message')})); return new Promise(() => 0)`],
    ['a listener for its end', `request.signal.addEventListener('abort', ${LOOP}); return new Promise(() => 0)`],
  ])('%s', async (_what, code) => {
    expect(await evil.raw(code)).toMatchObject({ status: 504, body: { code: 'plugin_deadline' } });
    expect(await until(async () => (await evil.get('/ping')).body.pong, 'it serves again')).toBe(true);
  });

  // isolated-vm reads message and stack of an unhandled rejection by itself, under no timeout.
  test.each(['a proxy whose traps loop', 'a getter of message', 'a getter of stack'])(
    'an unhandled rejection with %s: its process is ended and it is blamed',
    async (what) => {
      const before = await restarts();
      const { status } = await evil.raw(`Promise.reject(${EVIL[what]}); return 'answered'`);
      expect([200, 500, 503, 504]).toContain(status);
      await until(async () => (await restarts()) > before, 'its isolate is lost');
      expect(await until(async () => (await evil.get('/ping')).body.pong, 'it serves again')).toBe(true);
    },
  );
});

describe('what only lies is answered, and its isolate stays', () => {
  beforeAll(() => evil.renew());

  const strange: [string, string, RegExp][] = [
    ['a getter of cause that throws', `throw { get cause() { throw 1 } }`, /cannot be described|Error/],
    ['a getter of everything that throws', `throw new Proxy({}, { get() { throw new Error('no') } })`, /Error/],
    ['null', `throw null`, /null/],
    ['undefined', `throw undefined`, /undefined/],
    ['a symbol', `throw Symbol('told')`, /told/],
    ['a bigint', `throw 12n`, /12/],
    ['an object without a prototype', `throw { __proto__: null, message: 'bare' }`, /bare/],
    ['a name that is no text', `throw { name: 7, message: { toString() { throw 1 } } }`, /Error/],
    ['a circle', `const e = new Error('round'); e.cause = e; throw e`, /round/],
    ['an AggregateError', `throw new AggregateError([new Error('inner')], 'all of them')`, /all of them/],
    ['a class of its own', `throw new (class Mine extends Error { get name() { return 'Mine' } })('own')`, /Mine: own/],
    ['a stack that is no text', `const e = new Error('odd'); e.stack = { toString() { throw 1 } }; throw e`, /odd/],
    ['an answer in a circle', `const a = {}; a.a = a; return a`, /circular/],
    ['a bigint as answer', `return 1n`, /BigInt/],
    [
      'an answer with a header over the limit',
      `return new Response('', { headers: { a: 'x'.repeat(200000) } })`,
      /longer/,
    ],
  ];
  test.each(strange)('%s', async (_what, code, told) => {
    const { status, body } = await evil.raw(code);
    expect({ status, code: body.code }).toEqual({ status: 500, code: 'plugin_error' });
    expect(JSON.parse(await core.logged('evil-thrower', body.errorId)).message).toMatch(told);
    expect(JSON.stringify(body)).not.toMatch(/inner|\.ts|streamspace:prelude|\/work|node_modules/);
  });

  test('a rejection that nobody handles is a line in the log, and nothing more', async () => {
    await evil.value('globalThis.mark = 7');
    const before = await restarts();
    // On the pool at first, on the main thread once the handler is known to be quick.
    for (let round = 0; round < 8; round += 1) {
      const code = `Promise.reject(new RangeError('nobody cares ${round}')); return ctx.storage.increment('rounds')`;
      expect(await evil.raw(code)).toMatchObject({ status: 200, body: round + 1 });
    }
    expect((await evil.raw(`Promise.reject(); Promise.reject(1); return 'two at once'`)).body).toBe('two at once');
    expect(await core.logged('evil-thrower', 'nobody cares 7')).toContain('Uncaught (in promise) RangeError');
    expect(await evil.value('return mark')).toBe(7);
    expect(await restarts()).toBe(before);
  });

  test('what a guest sees of cause, errors and species are its own plain objects', async () => {
    const code = `
      const error = await ctx.storage.get('').catch((error) => error);
      const own = Reflect.ownKeys(error).filter((key) => typeof error[key] === 'object' || typeof error[key] === 'function');
      return [own, error instanceof Error, error.constructor === streamspace.StreamSpaceError, error.cause === undefined,
        Object.getPrototypeOf(Object.getPrototypeOf(error)) === Error.prototype, error.constructor.constructor === Function]`;
    expect(await evil.value(code)).toEqual([[], true, true, true, true, true]);
  });
});
