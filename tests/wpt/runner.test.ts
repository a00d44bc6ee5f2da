import { afterAll, beforeAll, expect, test } from 'bun:test';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { idOf } from './expectations.ts';
import { type CaseResult, type Runner, startRunner } from './runner.ts';

const SUITE = join(import.meta.dir, 'fixtures/suite');
const START_MS = 60_000;

let runner: Runner;
beforeAll(async () => {
  runner = await startRunner(SUITE, 1);
}, START_MS);
afterAll(() => runner[Symbol.asyncDispose](), START_MS);

async function run(path: string, { variant = '', timeoutMs = 10_000 } = {}): Promise<CaseResult> {
  const results: CaseResult[] = [];
  await runner.run([{ path, variant, timeoutMs }], (result) => results.push(result));
  return results[0] as CaseResult;
}

test('a file runs in an isolate that looks like a worker, with its helpers and the files of the checkout', async () => {
  const { subtests, harness } = await run('url/passes.any.js');
  expect(subtests.map(({ name, status, message }) => [name, status, message])).toEqual([
    ['the stage', 0, ''],
    ['what the server fills in', 0, ''],
    ['a file of the checkout', 0, ''],
  ]);
  expect(harness).toBeNull();
});

test('a failure says why, for each variant', async () => {
  const { subtests, harness } = await run('url/fails.any.js', { variant: '?two' });
  expect(subtests).toEqual([
    { name: 'never', status: 1, message: 'Error: with ?two' },
    { name: 'always', status: 0, message: '' },
  ]);
  expect(harness).toBeNull();
});

test('what is late is told by name', async () => {
  const { subtests, harness } = await run('encoding/hangs.any.js', { timeoutMs: 200 });
  expect(subtests.map(({ name, status }) => [name, status])).toEqual([
    ['quick', 0],
    ['never settles', 2],
  ]);
  expect(harness?.kind).toBe('timeout');
});

test('a file that throws at its top, or has no helper, fails as a whole', async () => {
  expect((await run('url/broken.any.js')).harness).toMatchObject({
    kind: 'error',
    message: expect.stringContaining('broken at the top'),
  });
  expect((await run('url/lost.any.js')).harness).toMatchObject({
    kind: 'error',
    message: expect.stringContaining('absent.js'),
  });
});

test(
  'the command fails for what is not expected, and tells of what passes now',
  async () => {
    const lists = await mkdtemp(join(tmpdir(), 'wpt-lists-'));
    const known = { reason: 'known', subtests: [idOf('never'), idOf('always')] };
    await writeFile(join(lists, 'url.json'), JSON.stringify({ 'url/fails.any.js': [known] }));
    const args = ['--checkout', SUITE, '--expected', lists, '--area', 'url', '--jobs', '1'];
    const child = Bun.spawn([process.execPath, join(import.meta.dir, 'main.ts'), ...args], {
      stdout: 'pipe',
      stderr: 'inherit',
    });
    try {
      const text = await new Response(child.stdout).text();
      expect(text).toMatch(/passes now.*\n *url\/fails\.any\.js\?one\n.* always/);
      expect(text).toMatch(/Unexpected failures:\n *url\/broken\.any\.js\n *harness /);
      expect(text).toMatch(/\| url +\| +4 \| +10 \| +6 \| +2 \| +2 \|/);
      expect(await child.exited).toBe(1);
    } finally {
      await rm(lists, { recursive: true });
    }
  },
  START_MS,
);
