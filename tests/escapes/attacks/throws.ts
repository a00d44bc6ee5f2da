import { type Attack, inPlaces } from './attack.ts';

const AT_ONCE = ['first call', 'proven handler'] as const;
const LOOPING_PROXY = `new Proxy(Object.create(null), new Proxy({}, { get() { return () => { for (;;); }; } }))`;
const looped = { adversary: '3', stops: ['cpu', 'process'], sync: true } as const;

/** What does harm when it is looked at. */
export const THROWS: readonly Attack[] = [
  ...inPlaces(AT_ONCE, { ...looped, name: 'throwing a Proxy whose traps loop', code: `throw ${LOOPING_PROXY};` }),
  ...inPlaces(AT_ONCE, {
    ...looped,
    name: 'throwing what has looping getters',
    code: `throw { get message() { for (;;); }, get stack() { for (;;); }, get name() { for (;;); } };`,
  }),
  ...inPlaces(AT_ONCE, {
    ...looped,
    name: 'throwing an Error with a looping toString of its name',
    code: `const error = new Error('x'); error.name = { toString() { for (;;); } }; throw error;`,
    // Nobody has to look at it.
    stops: ['cpu', 'process', 'refused'],
  }),
  ...inPlaces(AT_ONCE, {
    ...looped,
    name: 'a prepareStackTrace that loops',
    code: `Error.prepareStackTrace = () => { for (;;); }; throw new Error('x');`,
    stops: ['cpu', 'process', 'refused'],
  }),
  {
    name: 'an unhandled rejection of a Proxy whose traps loop',
    adversary: '4',
    place: 'first call',
    code: `void Promise.reject(${LOOPING_PROXY}); return 'thrown';`,
    sync: true,
    stops: ['cpu', 'process'],
  },
  {
    name: 'a rejection in a timer, of a Proxy whose traps loop',
    adversary: '4',
    place: 'timer',
    code: `throw ${LOOPING_PROXY};`,
    stops: ['cpu', 'process'],
  },
  ...inPlaces(AT_ONCE, {
    ...looped,
    name: 'answering what loops in toJSON',
    code: 'return { toJSON() { for (;;); } };',
    stops: ['cpu'],
  }),
  ...inPlaces(AT_ONCE, {
    ...looped,
    name: 'answering what has looping getters',
    code: 'return { ok: true, get bomb() { for (;;); } };',
    stops: ['cpu'],
  }),
  ...inPlaces(AT_ONCE, {
    ...looped,
    name: 'answering a Proxy whose traps loop',
    code: `return ${LOOPING_PROXY};`,
    stops: ['cpu', 'process', 'refused'],
  }),
  {
    ...looped,
    name: 'answering a thenable that loops',
    place: 'first call',
    code: 'return { then() { for (;;); } };',
    stops: ['cpu'],
  },
  {
    ...looped,
    name: 'logging a Proxy whose traps loop',
    place: 'first call',
    code: `log.info('look', { it: ${LOOPING_PROXY} }); console.log(${LOOPING_PROXY}); return 'logged';`,
    stops: ['cpu', 'process', 'nothing', 'refused'],
  },
  {
    name: 'a stack with lines and columns that are none',
    adversary: '15',
    place: 'first call',
    code: `
      const { name } = streamspace.plugin;
      const error = new Error('x');
      error.stack = 'Error: x' + ['0:0', '0:1', '1:0', '9'.repeat(400) + ':1'].map((at) => '\\n at f (plugin:' + name + ':' + at + ')').join('');
      throw error;`,
    sync: true,
    stops: ['refused'],
    answers: ['500 plugin_error'],
  },
  {
    name: 'recursion without an end',
    adversary: '1',
    place: 'first call',
    code: 'const down = (n) => down(n + 1) + 1; return down(0);',
    sync: true,
    stops: ['refused'],
    answers: ['500 plugin_error'],
  },
  {
    name: 'recursion that catches its own overflow',
    adversary: '1',
    place: 'first call',
    code: 'const down = () => { try { return down(); } catch { return down(); } }; return down();',
    sync: true,
    stops: ['cpu', 'refused'],
  },
  {
    name: 'JSON of an object 100,000 levels deep',
    adversary: '28',
    place: 'first call',
    code: `let deep = {}; for (let at = 0; at < 100_000; at += 1) deep = { deep }; return deep;`,
    sync: true,
    limits: { cpuMsPerCall: 5_000 },
    stops: ['refused', 'nothing'],
  },
  {
    name: 'an answer nested 2,000 levels deep',
    adversary: '28',
    place: 'first call',
    code: `let deep = 1; for (let at = 0; at < 2_000; at += 1) deep = [deep]; await storage.set('deep', deep); return 'kept';`,
    stops: ['refused'],
  },
];
