import { type Attack, inPlaces, type Place } from './attack.ts';

const HANG = 'return [].indexOf.call({ length: 2 ** 53 - 1 }, 1);';
/** Everywhere but in a handler and at the top level. */
const ELSEWHERE: readonly Place[] = [
  'onLoad',
  'timer',
  'event',
  'job',
  'onDisable',
  'onUnload',
  'onConfigChange',
  'reload',
  'each load',
  'method',
];

/** The worst of each kind, in every place where a plugin's code runs. */
export const PLACED: readonly Attack[] = [
  ...inPlaces(ELSEWHERE, {
    name: 'a synchronous loop',
    adversary: '1, 4.3',
    code: 'for (;;);',
    sync: true,
    stops: ['cpu', 'load'],
  }),
  ...inPlaces(ELSEWHERE, {
    name: 'a builtin that hangs',
    adversary: '7',
    code: HANG,
    sync: true,
    stops: ['process', 'load'],
  }),
  ...inPlaces(['top level', ...ELSEWHERE], {
    name: 'the death of the process',
    adversary: '2',
    code: `return 'x'.repeat(2 ** 28).split('').length;`,
    sync: true,
    stops: ['process', 'memory', 'load'],
  }),
  {
    name: 'an event that is death each time it is delivered',
    adversary: '2, 4.3',
    place: 'event',
    code: `return 'x'.repeat(2 ** 28).split('').length;`,
    sync: true,
    stops: ['process', 'memory'],
    states: ['quarantined'],
  },
];

/** At the top level of the module a plugin has 10 s (`loadMs`), on a thread of the pool: for the bench, not for the tests. */
export const SLOW: readonly Attack[] = [
  ...inPlaces(['top level'], {
    name: 'a synchronous loop',
    adversary: '1',
    code: 'for (;;);',
    sync: true,
    stops: ['load'],
  }),
  ...inPlaces(['top level'], {
    name: 'a builtin that hangs',
    adversary: '7',
    code: HANG,
    sync: true,
    stops: ['process'],
  }),
];
