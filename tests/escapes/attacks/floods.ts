import type { Attack } from './attack.ts';

const flood = (name: string, code: string, more: Partial<Attack> = {}): Attack => ({
  name,
  code,
  adversary: '9',
  place: 'first call',
  stops: ['cpu', 'memory', 'refused', 'protocol', 'process', 'nothing'],
  ...more,
});
/** A stream that goes on for ever. */
const ENDLESS = `new ReadableStream({ pull(controller) { controller.enqueue(new Uint8Array(65_536)); } })`;

/** Too much of what is allowed. */
export const FLOODS: readonly Attack[] = [
  flood('calls to the core, none awaited', `for (;;) storage.get('key');`, { sync: true }),
  flood(
    'a million calls to the core at once',
    `await Promise.all(Array.from({ length: 1_000_000 }, () => storage.get('key')));`,
  ),
  flood(
    '300 calls to the core at once, again and again',
    `for (;;) await Promise.allSettled(Array.from({ length: 300 }, () => storage.get('key')));`,
    {
      stops: ['deadline', 'cpu', 'refused'],
      limits: { cpuMsPerCall: 200, wallMsPerCall: 1_000 },
    },
  ),
  flood('one call to the core after the other', `for (;;) await storage.increment('calls').catch(() => {});`, {
    stops: ['deadline', 'refused'],
    limits: { cpuMsPerCall: 200, wallMsPerCall: 1_000 },
  }),
  flood('random bytes, synchronously', 'for (;;) crypto.getRandomValues(new Uint8Array(65_536));', {
    adversary: '8',
    sync: true,
    stops: ['cpu'],
  }),
  flood('promises', 'for (;;) Promise.resolve().then(() => {});', { sync: true, stops: ['cpu', 'memory', 'process'] }),
  flood('timers', 'for (;;) setTimeout(() => {}, 0);', {
    adversary: '23',
    sync: true,
    stops: ['cpu', 'memory', 'process', 'refused'],
  }),
  flood('timers that set two timers each', 'const two = () => { setTimeout(two, 0); setTimeout(two, 0); }; two();', {
    adversary: '23',
    sync: true,
    stops: ['cpu', 'memory', 'process', 'refused', 'nothing'],
  }),
  flood(
    'timers with times that are none',
    'for (const ms of [NaN, -1, 2 ** 32, Infinity, "x", {}]) setTimeout(() => {}, ms); return "set";',
    {
      adversary: '23',
      sync: true,
      stops: ['nothing'],
      answers: ['200'],
    },
  ),
  flood('events, none awaited', `for (;;) events.emit('flood', { at: 1 });`, { sync: true }),
  flood(
    '2,000 events',
    `await Promise.allSettled(Array.from({ length: 2_000 }, (_, at) => events.emit('flood', { at }))); return 'sent';`,
  ),
  flood('log lines', `for (;;) log.info('flood');`, { adversary: '21', sync: true }),
  flood(
    'log lines of 1 MB',
    `const line = 'x'.repeat(2 ** 20); for (let at = 0; at < 200; at += 1) log.info(line); return 'logged';`,
    {
      adversary: '21',
      sync: true,
    },
  ),
  flood(
    'console lines with escapes',
    `for (let at = 0; at < 5_000; at += 1) console.log('\\u001b[2J\\u0007' + at); return 'logged';`,
    {
      adversary: '21',
      sync: true,
    },
  ),
  flood('a response that never ends, to a client that reads', `return new Response(${ENDLESS});`, {
    hangUpAfterMs: 700,
    stops: ['nothing', 'refused'],
    answers: ['hung up', 'broken off'],
  }),
  flood('a hundred responses that never end', `return new Response(${ENDLESS});`, {
    requests: 100,
    hangUpAfterMs: 700,
    stops: ['nothing', 'cpu', 'refused'],
  }),
  flood('a response that never begins its body', 'return new Response(new ReadableStream({}));', {
    requests: 20,
    hangUpAfterMs: 300,
    stops: ['nothing', 'refused'],
  }),
  flood(
    'three thousand open streams that nobody asked for',
    `
    for (let at = 0; at < 3_000; at += 1) void new Response(${ENDLESS}).arrayBuffer();
    return new Response(${ENDLESS});`,
    {
      sync: true,
      hangUpAfterMs: 700,
    },
  ),
  flood(
    'headers by the thousand',
    `const headers = new Headers(); for (let at = 0; at < 100_000; at += 1) headers.append('x-' + at, 'y'.repeat(100)); return new Response('x', { headers });`,
    {
      sync: true,
      stops: ['refused', 'protocol', 'cpu', 'memory'],
    },
  ),
  flood(
    'registrations without an end',
    `for (let at = 0; ; at += 1) api.get('/flood/' + at, () => at, { auth: 'public' });`,
    { sync: true },
  ),
  flood(
    'subscriptions without an end',
    `for (let at = 0; ; at += 1) events.on('plugin.' + streamspace.plugin.name + '.e' + at, () => at);`,
    { sync: true },
  ),
  flood(
    'jobs without an end',
    `for (let at = 0; at < 20_000; at += 1) scheduler.schedule('* * * * * *', () => at, { name: 'job' + at }); return 'set';`,
    { sync: true },
  ),
  flood(
    'spinning just below the CPU limit, from a timer',
    `
    const spin = () => { const end = Date.now() + 150; while (Date.now() < end); setTimeout(spin, 0); };
    spin(); await new Promise((resolve) => setTimeout(resolve, 1_500)); return 'spun';`,
    {
      adversary: '1',
      stops: ['nothing', 'cpu', 'refused', 'deadline'],
    },
  ),
];
