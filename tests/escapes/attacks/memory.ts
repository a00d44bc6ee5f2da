import { type Attack, inPlaces } from './attack.ts';

const AT_ONCE = ['first call', 'proven handler'] as const;
/** Ends the process at once: V8 cannot go on (ADVERSARY 1, row 5; case 2). */
const deadly = (name: string, code: string): Attack[] =>
  inPlaces(AT_ONCE, { name, code, adversary: '2', sync: true, stops: ['process', 'memory'] });
/** All the time that a plugin can be given: memory has to stop it. */
const grows = (name: string, code: string): Attack => ({
  name,
  code,
  adversary: '1',
  place: 'first call',
  sync: true,
  limits: { cpuMsPerCall: 10_000, wallMsPerCall: 20_000 },
  stops: ['memory', 'process', 'refused'],
});
/** The same on the host's main thread, where nobody is given as much. */
const growsQuickly = (name: string, code: string): Attack => ({
  ...grows(name, code),
  place: 'proven handler',
  limits: { cpuMsPerCall: 500 },
  stops: ['memory', 'process', 'refused', 'cpu'],
});

/** What takes memory, or the process. */
export const MEMORY: readonly Attack[] = [
  ...deadly('splitting a string of 2^28 characters', `return 'x'.repeat(2 ** 28).split('').length;`),
  ...deadly('parsing JSON of a million arrays', `return JSON.parse('[' + '[1],'.repeat(2 ** 26) + '1]').length;`),
  ...deadly(
    'replacing each of 2^27 characters by many',
    `return 'x'.repeat(2 ** 27).replace(/x/g, '$&$&$&$&').length;`,
  ),
  grows('arrays that share their objects', 'const shared = [{}]; for (;;) kept.push(new Array(100_000).fill(shared));'),
  grows('Array(1e9).fill(0)', 'return Array(1e9).fill(0).length;'),
  grows('ArrayBuffers', 'for (;;) kept.push(new ArrayBuffer(16 * 1024 * 1024));'),
  grows('typed arrays that are written to', 'for (;;) kept.push(new Uint8Array(1024 * 1024).fill(1));'),
  grows(
    'a resizable ArrayBuffer',
    'const buffer = new ArrayBuffer(1, { maxByteLength: 2 ** 32 }); buffer.resize(2 ** 31); new Uint8Array(buffer).fill(1); kept.push(buffer);',
  ),
  grows(
    'WebAssembly memory',
    'for (;;) { const memory = new WebAssembly.Memory({ initial: 1_000 }); new Uint8Array(memory.buffer).fill(1); kept.push(memory); }',
  ),
  grows('a Map that grows', 'const map = new Map(); kept.push(map); for (let at = 0; ; at += 1) map.set(at, at);'),
  grows(
    'a Set of strings',
    "const set = new Set(); kept.push(set); for (let at = 0; ; at += 1) set.add('entry ' + at);",
  ),
  grows(
    'Intl objects',
    `for (;;) kept.push(new Intl.DateTimeFormat('en', { timeZone: 'UTC' }), new Intl.NumberFormat('de'), new Intl.Collator('fr'));`,
  ),
  grows('closures over big arrays', 'for (;;) { const big = new Array(10_000).fill(1.5); kept.push(() => big); }'),
  growsQuickly('Array(1e9).fill(0)', 'return Array(1e9).fill(0).length;'),
  growsQuickly('arrays of arrays', 'for (;;) kept.push(new Array(50_000).fill(kept.length));'),
  growsQuickly('ArrayBuffers', 'for (;;) kept.push(new ArrayBuffer(16 * 1024 * 1024));'),
  {
    name: 'answering a rope of 500 MB',
    adversary: '10',
    place: 'first call',
    code: `let rope = 'x'.repeat(2 ** 20); while (rope.length < 500_000_000) rope += rope; return rope;`,
    sync: true,
    stops: ['memory', 'cpu', 'process', 'refused', 'protocol'],
  },
  {
    name: 'storing a rope of 500 MB',
    adversary: '10',
    place: 'first call',
    code: `let rope = 'x'.repeat(2 ** 20); while (rope.length < 500_000_000) rope += rope; await storage.set('rope', rope);`,
    stops: ['memory', 'cpu', 'process', 'refused', 'protocol'],
  },
  {
    name: 'logging a rope of 500 MB',
    adversary: '10',
    place: 'first call',
    code: `let rope = 'x'.repeat(2 ** 20); while (rope.length < 500_000_000) rope += rope; log.info(rope); log.info('rope', { rope }); return 'logged';`,
    sync: true,
    stops: ['memory', 'cpu', 'process', 'refused', 'protocol', 'nothing'],
  },
  {
    name: 'throwing a rope of 500 MB',
    adversary: '10',
    place: 'first call',
    code: `let rope = 'x'.repeat(2 ** 20); while (rope.length < 500_000_000) rope += rope; throw new Error(rope);`,
    sync: true,
    stops: ['memory', 'cpu', 'process', 'refused', 'protocol'],
  },
  {
    name: 'a key of 500 MB',
    adversary: '10',
    place: 'first call',
    code: `let rope = 'x'.repeat(2 ** 20); while (rope.length < 500_000_000) rope += rope; await storage.get(rope);`,
    stops: ['memory', 'cpu', 'process', 'refused', 'protocol'],
  },
  {
    name: 'a gigabyte of answers of the core at once',
    adversary: '9',
    place: 'first call',
    code: `
      for (let at = 0; at < 16; at += 1) await storage.set('big' + at, 'x'.repeat(250_000));
      for (;;) await Promise.allSettled(Array.from({ length: 200 }, () => storage.list({ limit: 16 })));`,
    stops: ['deadline', 'memory', 'cpu', 'refused', 'process'],
    answers: ['504 plugin_deadline', '500 plugin_error', '429 quota_exceeded'],
  },
];
