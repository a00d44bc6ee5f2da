import { type Attack, inPlaces } from './attack.ts';

const AT_ONCE = ['first call', 'proven handler'] as const;
/** A long builtin: no termination of V8 reaches it, so that the process has to go; with the time that anybody has. */
const hung = (name: string, code: string): Attack[] =>
  inPlaces(AT_ONCE, { name, code, adversary: '7', sync: true, stops: ['process'], limits: { cpuMsPerCall: 500 } });

const HANG = 'return [].indexOf.call({ length: 2 ** 53 - 1 }, 1);';

/** What runs and does not end. */
export const LOOPS: readonly Attack[] = [
  ...inPlaces(AT_ONCE, {
    name: 'a synchronous loop',
    adversary: '1, 19',
    code: 'for (;;);',
    sync: true,
    stops: ['cpu'],
    answers: ['504 plugin_deadline'],
  }),
  ...inPlaces(AT_ONCE, {
    name: 'a regular expression that backtracks',
    adversary: '1',
    code: `return /^(a+)+$/.test('a'.repeat(40) + 'b');`,
    sync: true,
    stops: ['cpu'],
    answers: ['504 plugin_deadline'],
  }),
  ...inPlaces(AT_ONCE, {
    name: 'a loop of microtasks',
    adversary: '1',
    code: 'for (;;) await null;',
    stops: ['cpu', 'memory'],
    answers: ['504 plugin_deadline', '500 plugin_error'],
  }),
  ...inPlaces(AT_ONCE, {
    name: 'a loop after a promise that the core resolved',
    adversary: '5',
    code: `await storage.get('key'); for (;;);`,
    stops: ['cpu'],
    answers: ['504 plugin_deadline'],
  }),
  ...inPlaces(AT_ONCE, {
    name: 'a loop in finally, after a loop',
    adversary: '19',
    code: 'try { for (;;); } finally { for (;;); }',
    sync: true,
    stops: ['cpu'],
    answers: ['504 plugin_deadline'],
  }),
  {
    name: 'a promise that never settles',
    adversary: '6',
    place: 'first call',
    code: 'return new Promise(() => {});',
    limits: { cpuMsPerCall: 200, wallMsPerCall: 400 },
    stops: ['deadline'],
    answers: ['504 plugin_deadline'],
  },
  {
    name: 'a hundred promises that never settle',
    adversary: '6',
    place: 'first call',
    code: 'return new Promise(() => {});',
    requests: 100,
    limits: { cpuMsPerCall: 200, wallMsPerCall: 400 },
    stops: ['deadline'],
    answers: ['504 plugin_deadline', '429 quota_exceeded', '503 plugin_unavailable'],
  },
  {
    name: 'a loop, until it is quarantined',
    adversary: '1, 2',
    place: 'first call',
    code: 'for (;;);',
    sync: true,
    rounds: 5,
    stops: ['cpu'],
    states: ['quarantined'],
    answers: ['504 plugin_deadline'],
  },
  {
    name: 'waiting for a word of shared memory that nobody changes',
    adversary: '1',
    place: 'proven handler',
    code: 'Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);',
    sync: true,
    stops: ['cpu', 'process', 'refused'],
  },
  {
    name: 'a loop in a finalizer',
    adversary: '1',
    place: 'first call',
    setup: 'const registry = new FinalizationRegistry(() => { for (;;); });',
    code: `
      for (let at = 0; at < 100; at += 1) registry.register({ at }, at);
      for (let at = 0; at < 200; at += 1) { kept[0] = new Array(10_000).fill(at); await storage.get('key'); }
      return 'collected';`,
    stops: ['cpu', 'process', 'memory', 'nothing', 'refused'],
  },
  {
    name: 'a loop in a finalizer, when no call is under way',
    adversary: '1',
    place: 'first call',
    setup: 'const registry = new FinalizationRegistry(() => { for (;;); });',
    code: `
      for (let at = 0; at < 1_000; at += 1) registry.register({ at }, at);
      for (let at = 0; at < 400; at += 1) kept[0] = new Array(10_000).fill(at);
      setTimeout(() => { kept[0] = new Array(1_000_000).fill(0); }, 300);
      await new Promise((done) => setTimeout(done, 1_500));
      return 'collected';`,
    stops: ['process', 'nothing'],
  },
  {
    name: 'a stack trace without a limit',
    adversary: '15',
    place: 'proven handler',
    code: `Error.stackTraceLimit = Infinity; const down = (n) => { if (n === 0) throw new Error('deep'); down(n - 1); }; down(7_000);`,
    sync: true,
    stops: ['refused', 'cpu', 'process'],
  },
  {
    name: 'two plugins that loop at once',
    adversary: '1',
    place: 'first call',
    code: 'for (;;);',
    sync: true,
    pair: true,
    stops: ['cpu'],
    answers: ['504 plugin_deadline'],
  },
  {
    name: 'two plugins that hang at once',
    adversary: '7',
    place: 'first call',
    code: HANG,
    sync: true,
    pair: true,
    stops: ['process'],
  },
  {
    name: 'a builtin that hangs, until it is quarantined',
    adversary: '2, 7',
    place: 'first call',
    code: HANG,
    sync: true,
    rounds: 3,
    stops: ['process'],
    states: ['quarantined'],
  },
  ...hung('indexOf over what says that it has 2^53 entries', HANG),
  ...hung('sorting an array with 2^32 holes', 'const holes = []; holes[2 ** 32 - 2] = 1; return holes.sort().length;'),
  ...hung('joining 2^32 entries that are not there', `return [].join.call({ length: 2 ** 32 - 1 }, '').length;`),
  ...hung('a power of a BigInt', 'return String(3n ** 300_000_000n).length;'),
  ...hung('comparing long strings by locale', `const a = 'ä'.repeat(2 ** 27); return a.localeCompare(a + 'b');`),
  ...hung('parsing JSON of 2^27 levels', `return JSON.parse('['.repeat(2 ** 27));`),
];
