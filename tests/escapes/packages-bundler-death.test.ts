import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { BUNDLE_LIMITS } from '../../src/packages/limits.ts';
import { esbuildPid, openWorkshop, refusal, run, type Workshop } from '../packages/fixture.ts';

let shop: Workshop;
beforeAll(async () => {
  shop = await openWorkshop();
  await shop.bundler.warm();
});
afterAll(() => shop.close());

const works = async (text: string) =>
  expect(run(await shop.bundle({ 'index.ts': `export default ${JSON.stringify(text)}` })).default).toBe(text);

describe('source that is a bomb', () => {
  test('nesting that overflows the bundler: it is blamed, the innocent beside it are bundled', async () => {
    const culprit = refusal(shop.bundle({ 'index.ts': '('.repeat(4_000_000) }));
    const innocents = Promise.all(Array.from({ length: 5 }, (_, i) => works(`beside ${i}`)));
    const error = await culprit;
    expect([error.code, error.message]).toEqual([
      'bundle_failed',
      'The bundler died of this source: it is nested too deep or too large',
    ]);
    await innocents;
    await works('after');
  }, 30_000);

  test('too much source, too many modules', async () => {
    const half = `/*${'x'.repeat(BUNDLE_LIMITS.inputBytes / 2)}*/`;
    const [large] = await shop.issues({ 'index.ts': `import './a'; import './b'; ${half}`, 'a.ts': half, 'b.ts': '' });
    expect(large?.message).toContain(`larger than ${BUNDLE_LIMITS.inputBytes} bytes`);
    const modules = Object.fromEntries(Array.from({ length: BUNDLE_LIMITS.modules }, (_, i) => [`m${i}.ts`, '']));
    const imports = Object.keys(modules).map((name) => `import './${name}';`);
    const [many] = await shop.issues({ 'index.ts': imports.join(''), ...modules });
    expect(many?.message).toContain(`more than ${BUNDLE_LIMITS.modules} modules`);
  }, 30_000);

  test('text that escapes into more than it was', async () => {
    const text = 'é'.repeat(BUNDLE_LIMITS.outputBytes / 4);
    const [issue] = await shop.issues({ 'index.ts': "import a from './a.txt'; export default a", 'a.txt': text });
    expect(issue?.message).toContain(`larger than ${BUNDLE_LIMITS.outputBytes} bytes`);
  }, 30_000);

  test('thousands of errors come out as a few, short ones', async () => {
    const imports = Array.from({ length: 2_000 }, (_, i) => `import './nope${i}';`).join('');
    const error = await refusal(shop.bundle({ 'index.ts': imports }));
    expect((error.extra.errors as unknown[]).length).toBe(BUNDLE_LIMITS.messages);
    expect(JSON.stringify(error.extra).length).toBeLessThan(BUNDLE_LIMITS.messages * 2_000);
  }, 30_000);
});

describe('a bundler that is gone', () => {
  test.if(process.platform === 'linux')('killed while idle: the next bundle starts another', async () => {
    await works('before');
    process.kill(await esbuildPid(), 'SIGKILL');
    await works('once more');
  });

  test("killed in the middle, here by another bundler's stop: the bundle is made all the same", async () => {
    const other = await openWorkshop();
    const running = Promise.all(Array.from({ length: 10 }, (_, i) => works(`under way ${i}`)));
    await other.close();
    await running;
  });

  test('stopped in the middle: what is under way says so', async () => {
    const other = await openWorkshop();
    await other.bundler.warm();
    const running = refusal(other.bundle({ 'index.ts': `export default ${'a+'.repeat(1_000_000)}a` }));
    await Promise.resolve();
    await other.close();
    expect((await running).code).toBe('unavailable');
  });

  test('over its deadline: an error that says so, and the next one works', async () => {
    const hasty = await openWorkshop({ deadlineMs: 50 });
    const error = await refusal(hasty.bundle({ 'index.ts': `export default ${'a+'.repeat(1_000_000)}a` }));
    expect([error.code, error.message]).toEqual(['bundle_failed', 'Bundling takes longer than 50 ms']);
    await works('after the deadline');
    await hasty.close();
  }, 30_000);
});
