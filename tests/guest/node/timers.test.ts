import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { join } from 'node:path';
import { inNode } from '../../kit/in-node.ts';
import { type Isolates, startIsolates } from '../../kit/isolates.ts';

let isolates: Isolates;
beforeAll(async () => {
  isolates = await startIsolates(join(import.meta.dir, '../../kit/node-entry.ts'));
});
afterAll(() => isolates.close());

describe('node:timers and process.nextTick, as in Node', () => {
  test.each([
    [
      'timers are objects',
      `const timers = __require('node:timers');
const log = [];
await new Promise((resolve) => {
  const timer = timers.setTimeout((arg) => { log.push(arg); resolve(); }, 1, 'arg');
  log.push(typeof timer, timer.hasRef(), timer.unref() === timer, timer.hasRef(), typeof +timer);
  timer.ref();
});
timers.clearTimeout(timers.setTimeout(() => log.push('never'), 1));
clearTimeout(timers.setTimeout(() => log.push('never'), 1));
timers.clearInterval(timers.setInterval(() => log.push('never'), 1));
timers.clearImmediate(timers.setImmediate(() => log.push('never')));
timers.clearTimeout(undefined);
timers.clearTimeout(null);
await new Promise((resolve) => timers.setImmediate(resolve));
const again = timers.setTimeout(() => log.push('again'), 5);
again.refresh();
await new Promise((resolve) => timers.setTimeout(resolve, 30));
return log;`,
    ],
    [
      'timers/promises',
      `const { setTimeout: after, setImmediate: soon, setInterval: every, scheduler } = __require('node:timers/promises');
const log = [await after(2, 'v'), await soon('i'), await scheduler.wait(1) ?? null];
for await (const value of every(1, 'iv')) if (log.push(value) === 6) break;
const controller = new AbortController();
setTimeout(() => controller.abort(new Error('why')), 1);
log.push(await after(1000, 1, { signal: controller.signal }).catch(({ name, code, cause }) => [name, code, cause.message]));
log.push(await after(1, 1, { signal: AbortSignal.abort() }).catch(({ name }) => name));
return log;`,
    ],
    [
      'nextTick',
      `const { nextTick } = __require('node:process');
const log = [];
await new Promise((resolve) => { nextTick((...args) => { log.push(args); nextTick(resolve); }, 1, 2); log.push('first'); });
try { nextTick(1); } catch ({ name }) { log.push(name); }
return log;`,
    ],
  ])('%s', async (_what, code) => {
    expect(await isolates.run(code)).toEqual(await inNode(code));
  });
});

test('node:process tells nothing of the host and takes no package for Node', async () => {
  expect(
    await isolates.run(`
      const process = __require('node:process');
      const { nextTick, hrtime, versions, env, argv, pid, version, platform, browser } = process;
      const [seconds, nanoseconds] = hrtime();
      return { versions, env, argv, pid, version, platform, browser, clock: [typeof hrtime.bigint(), Number.isInteger(seconds), nanoseconds < 1e9],
        cwd: process.cwd(), on: process.on('exit', () => {}) === process, exit: typeof process.exit, stdout: typeof process.stdout, tag: String(process) };`),
  ).toEqual({
    versions: {},
    env: {},
    argv: [],
    pid: 1,
    version: '',
    platform: 'linux',
    browser: true,
    clock: ['bigint', true, true],
    cwd: '/',
    on: true,
    exit: 'undefined',
    stdout: 'undefined',
    tag: '[object Object]',
  });
});
