import { describe, expect, test } from 'bun:test';
import { join } from 'node:path';
import { guestFrames, plainError } from '../../runtime/isolate/errors.ts';
import { CHANNEL_LIMITS } from '../../runtime/protocol/limits.ts';

// What the host tells the core of an error of its own: where the plugin was, nothing of the machine (ADVERSARY 15).

const STACK = [
  'Error: Script execution timed out.',
  '    at spin (plugin:demo:1:18)',
  '    at Object.deep [as run] (plugin:demo:20:19)',
  '    at async plugin:demo:2:1',
  '    at plugin:demo:3:4',
  '    at enter (streamspace:prelude:1:53)',
  '    at (<isolated-vm boundary>)',
  '    at GuestIsolate.#enterOnPool (file:///opt/streamspace/runtime/isolate/guest-isolate.ts:166:33)',
  '    at /opt/streamspace/runtime/main.ts:12:39',
].join('\n');

function errorWith(stack: unknown): Error {
  return Object.assign(new Error('Script execution timed out.'), { stack });
}

test('of a stack only the lines in plugin bundles are told', () => {
  expect(guestFrames(STACK)).toBe(
    [
      '    at spin (plugin:demo:1:18)',
      '    at Object.deep [as run] (plugin:demo:20:19)',
      '    at async plugin:demo:2:1',
      '    at plugin:demo:3:4',
    ].join('\n'),
  );
  expect(plainError(errorWith(STACK))).toEqual({
    name: 'Error',
    message: 'Script execution timed out.',
    stack: `Error: Script execution timed out.\n${guestFrames(STACK)}`,
    code: null,
  });
});

describe('nothing is told of', () => {
  test.each([
    ['a frame of the host', '    at run (/opt/streamspace/runtime/main.ts:1:1)'],
    ['a path that is called like a plugin', '    at run (/srv/plugin:demo:1:1)'],
    ['two positions on a line', '    at run (plugin:demo:1:1) (/opt/streamspace/main.ts:1:1)'],
    ['a line that is no frame', 'plugin:demo:1:1'],
    ['a frame without a position', '    at run (plugin:demo)'],
    ['a very long line', `    at ${'x'.repeat(1_000)} (plugin:demo:1:1)`],
  ])('%s', (_what, line) => {
    expect(guestFrames(`Error: x\n${line}`)).toBe('');
  });

  test('an error without a stack, or with one that is no text', () => {
    expect(plainError(errorWith(undefined)).stack).toBe('');
    expect(plainError(errorWith({ toString: () => STACK })).stack).toBe('');
    expect(plainError('at /opt/x')).toEqual({ name: 'Error', message: 'at /opt/x', stack: '', code: null });
  });
});

test('a stack as long as a guest can make it takes no time, and stays within its limit', () => {
  const long = `    at ${'('.repeat(200)} (plugin:demo:1:1)\n`.repeat(100_000);
  const started = performance.now();
  expect(guestFrames(long).length).toBeLessThanOrEqual(CHANNEL_LIMITS.errorStackChars);
  expect(performance.now() - started).toBeLessThan(500);
});

test('isolated-vm, when it ends a run on the pool: the functions that it was in, and no path', async () => {
  const root = join(import.meta.dir, '../..');
  const node = join(root, `node_modules/node-${process.platform}-${process.arch}/bin/node`);
  const script = `
    import ivm from ${JSON.stringify(join(root, 'node_modules/isolated-vm/isolated-vm.js'))};
    import { plainError } from ${JSON.stringify(join(root, 'runtime/isolate/errors.ts'))};
    const isolate = new ivm.Isolate({ memoryLimit: 16 });
    const context = await isolate.createContext();
    const code = '(function outer() { (function spin() { for (;;); })(); })';
    const run = await (await isolate.compileScript(code, { filename: 'plugin:demo' })).run(context, { reference: true });
    const error = await run.apply(undefined, [], { timeout: 20 }).catch((error) => error);
    console.log(JSON.stringify({ raw: error.stack, told: plainError(error) }));
    isolate.dispose();`;
  const child = Bun.spawn([node, '--no-node-snapshot', '--input-type=module', '-e', script], { stdout: 'pipe' });
  const { raw, told } = JSON.parse(await new Response(child.stdout).text());
  expect(raw).toContain('isolated-vm boundary');
  expect(told.stack).toMatch(
    /^Error: Script execution timed out\.\n {4}at spin \(plugin:demo:1:\d+\)\n {4}at outer \(plugin:demo:1:\d+\)$/,
  );
});
