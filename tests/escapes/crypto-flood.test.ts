import { afterAll, beforeAll, beforeEach, expect, setDefaultTimeout, test } from 'bun:test';
import { type Evaluator, installEvaluator } from '../kit/evaluator.ts';
import { type RunningCore, startCore } from '../kit/start-core.ts';
import { until } from '../kit/until.ts';

// What the host process does for a plugin cannot be cancelled, and all plugins of the process share its threads: a flood
// of the slowest operations keeps neither the cryptography of a neighbour waiting nor its requests, and is charged.

setDefaultTimeout(60_000);

const SUBTLE = `
  const { subtle } = crypto;
  const salt = new Uint8Array(8);
  const password = await subtle.importKey('raw', salt, 'PBKDF2', false, ['deriveBits']);
  const slow = () => subtle.deriveBits({ name: 'PBKDF2', hash: 'SHA-512', salt, iterations: 2_000_000 }, password, 512);`;

let core: RunningCore;
let evil: Evaluator;
let neighbour: Evaluator;

beforeAll(async () => {
  core = await startCore();
  const first = `import nodeCrypto from 'node:crypto'; globalThis.nodeCrypto = nodeCrypto;`;
  const limits = { cpuMsPerCall: 300, wallMsPerCall: 5_000 };
  evil = await installEvaluator(core, 'evil-cryptographer', { limits }, { first });
  neighbour = await installEvaluator(core, 'good-neighbour');
});
afterAll(async () => {
  await core?.stop();
});
beforeEach(() => evil.renew());

/** What the neighbour does with cryptography of its own. */
async function neighbourWorks(): Promise<void> {
  const code = `
    const key = await crypto.subtle.generateKey({ name: 'HMAC', hash: 'SHA-256' }, false, ['sign', 'verify']);
    let right = 0;
    for (let at = 0; at < 20; at += 1) {
      const data = crypto.getRandomValues(new Uint8Array(64));
      if (await crypto.subtle.verify('HMAC', key, await crypto.subtle.sign('HMAC', key, data), data)) right += 1;
    }
    return right`;
  expect(await neighbour.value(code)).toBe(20);
  expect((await neighbour.get('/ping')).status).toBe(200);
}

test('a flood of slow derivations: the neighbour is served long before it is over', async () => {
  await evil.value(`${SUBTLE}
    globalThis.done = 0;
    for (let at = 0; at < 40; at += 1) slow().then(() => { globalThis.done += 1 });
    return null`);
  await neighbourWorks();
  // One of them takes more than half a second, and they go one by one.
  expect(await evil.value('return globalThis.done')).toBeLessThan(20);
});

test('a flood of quick operations: the neighbour takes its turn', async () => {
  await evil.value(`
    const data = new Uint8Array(500_000);
    const flood = () => { for (let at = 0; at < 20; at += 1) crypto.subtle.digest('SHA-512', data).then(flood, () => undefined) };
    crypto.subtle.digest('SHA-512', data).then(flood);
    return null`);
  await neighbourWorks();
});

test.each([
  ['derivations', `for (;;) nodeCrypto.scryptSync('password', 'salt', 64)`],
  ['hashes, whose errors are caught', `for (;;) { try { nodeCrypto.createHash('md5').digest() } catch {} }`],
  ['random numbers', `for (;;) crypto.getRandomValues(new Uint8Array(65_536))`],
])('a loop of %s ends with the time of the call, and takes nobody with it', async (_what, code) => {
  const loop = evil.raw(code);
  await neighbourWorks();
  expect((await loop).status).toBeGreaterThanOrEqual(500);
  await neighbourWorks();
  expect((await core.api('GET', '/api/plugins/good-neighbour/metrics')).body.restarts).toBe(0);
});

test('time on a thread of the host is charged to who wanted it', async () => {
  const cpuMs = async (): Promise<number> =>
    (await core.api('GET', '/api/plugins/evil-cryptographer/metrics')).body.cpuMs;
  const before = await cpuMs();
  await evil.value(`${SUBTLE} await slow(); return null`);
  await until(async () => (await cpuMs()) - before > 250, 'the time was charged');
});
