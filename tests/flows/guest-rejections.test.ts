import { afterAll, beforeAll, beforeEach, expect, setDefaultTimeout, test } from 'bun:test';
import { type Evaluator, installEvaluator } from '../kit/evaluator.ts';
import { type RunningCore, startCore } from '../kit/start-core.ts';
import { until } from '../kit/until.ts';

// `unhandledrejection` on its way: isolated-vm tells the host, the host asks the guest, the guest or the log has it.

setDefaultTimeout(60_000);

let core: RunningCore;
let guest: Evaluator;

beforeAll(async () => {
  core = await startCore();
  guest = await installEvaluator(core, 'rejecting', { limits: { cpuMsPerCall: 100, wallMsPerCall: 1_000 } });
});
beforeEach(() => guest.renew());
afterAll(async () => {
  await core?.stop();
});

const LISTEN = `addEventListener('unhandledrejection', (e) => {
  heard.push([e.reason instanceof Error, e.reason.name, e.reason.message, e.promise instanceof Promise]);
  if (e.reason.message.startsWith('calm')) e.preventDefault();
});`;
const heard = () => guest.value('return heard');

test('a listener is told of the reason, and may take care of it', async () => {
  await guest.value(LISTEN);
  await guest.value(`Promise.reject(new RangeError('calm 1'))`);
  await until(async () => (await heard()).length === 1, 'the listener is told');
  expect(await heard()).toEqual([[true, 'RangeError', 'calm 1', true]]);
  await guest.value(`Promise.reject(new TypeError('loud 1'))`);
  const line = await core.logged('rejecting', 'loud 1');
  expect(line).toContain('Uncaught (in promise) TypeError');
  expect(line).not.toContain('calm');
});

test('what brings another rejection goes to the log, and not round and round', async () => {
  await guest.value(
    `addEventListener('unhandledrejection', (e) => { heard.push(e.reason.message); Promise.reject(new Error('again ' + heard.length)) })`,
  );
  await guest.value(`Promise.reject(new Error('first'))`);
  expect(await core.logged('rejecting', 'again 1')).toContain('Uncaught (in promise)');
  expect(await heard()).toEqual(['first']);
});

test('without a listener the log has it', async () => {
  await guest.value(`Promise.reject(new Error('nobody listens'))`);
  expect(await core.logged('rejecting', 'nobody listens')).toContain('Uncaught (in promise) Error');
});

test('an endless listener is ended as any endless call is, and the plugin comes back', async () => {
  await guest.value('globalThis.mark = 7');
  const code = `addEventListener('unhandledrejection', () => { for (;;); }); Promise.reject(new Error('x'))`;
  // Its answer may be on the way out or be lost with the isolate.
  await guest.run(code).catch(() => null);
  await until(
    async () => (await guest.run('return globalThis.mark').catch(() => null))?.value === null,
    'a new isolate',
  );
});
