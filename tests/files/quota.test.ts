import { afterAll, beforeAll, expect, test } from 'bun:test';
import { type FilesBench, filesBench, streamOf } from '../kit/files.ts';

let bench: FilesBench;
beforeAll(async () => {
  bench = await filesBench();
});
afterAll(() => bench[Symbol.asyncDispose]());

const code = (promise: Promise<unknown>) =>
  promise.then(
    () => 'ok',
    (error: { code: string }) => error.code,
  );
const exact = async (plugin: string): Promise<void> => {
  const { counts, sums } = await bench.counted(plugin);
  expect(counts).toEqual(sums);
};

test('usage follows every kind of write', async () => {
  await bench.put('follow', 'a', 'x'.repeat(100));
  await bench.put('follow', 'b', 'x'.repeat(50));
  await bench.put('follow', 'a', 'x'.repeat(10));
  await bench.files.copy('follow', 'a', 'c', {});
  await bench.files.move('follow', 'b', 'c', {});
  expect(await bench.files.usage('follow')).toMatchObject({ bytes: 60, files: 2, maxFiles: 100_000 });
  await bench.files.delete('follow', 'a', {});
  expect(await bench.files.usage('follow')).toMatchObject({ bytes: 50, files: 1 });
  await exact('follow');
});

test('what is over it is refused, and what is there stays', async () => {
  bench.quotas.set('small', { bytes: 1_000, files: 3 });
  await bench.put('small', 'a', 'x'.repeat(600));
  const over = await bench.put('small', 'b', 'x'.repeat(401)).catch((error: unknown) => error);
  expect(over).toMatchObject({ code: 'quota_exceeded', extra: { limit: 'filesBytes', max: 1_000, resetsAt: null } });
  await bench.put('small', 'b', 'x'.repeat(400));
  expect(await code(bench.files.copy('small', 'b', 'c', {}))).toBe('quota_exceeded');
  await bench.put('small', 'c', '');
  const many = await bench.put('small', 'd', '').catch((error: unknown) => error);
  expect(many).toMatchObject({ code: 'quota_exceeded', extra: { limit: 'filesCount', max: 3 } });
  await exact('small');
});

test('a file may be replaced by one of its size where there is no room for both', async () => {
  bench.quotas.set('tight', { bytes: 1_000, files: 3 });
  for (let i = 0; i < 5; i += 1) await bench.put('tight', 'a', `${i}`.repeat(1_000));
  expect(await code(bench.put('tight', 'a', streamOf(1_001)))).toBe('quota_exceeded');
  expect(await bench.text('tight', 'a')).toBe('4'.repeat(1_000));
  await exact('tight');
});

test('a lower quota takes nothing away, and lets it shrink', async () => {
  await bench.put('shrinks', 'a', 'x'.repeat(800));
  bench.quotas.set('shrinks', { bytes: 500, files: 10 });
  expect(await code(bench.put('shrinks', 'b', 'x'))).toBe('quota_exceeded');
  await bench.put('shrinks', 'a', 'x'.repeat(700));
  await bench.files.move('shrinks', 'a', 'c', {});
  await bench.files.delete('shrinks', 'c', {});
  expect(await code(bench.put('shrinks', 'b', 'x'.repeat(500)))).toBe('ok');
});

test('a stream over it is cut as soon as it is', async () => {
  bench.quotas.set('endless', { bytes: 1_000_000, files: 10 });
  let given = 0;
  let cancelled = false;
  const endless = new ReadableStream<Uint8Array>(
    {
      pull(controller) {
        given += 65_536;
        controller.enqueue(new Uint8Array(65_536));
      },
      cancel() {
        cancelled = true;
      },
    },
    { highWaterMark: 0 },
  );
  expect(await code(bench.put('endless', 'a', endless))).toBe('quota_exceeded');
  expect(cancelled).toBe(true);
  expect(given).toBeLessThan(1_000_000 + 3 * 65_536);
  expect(await bench.files.usage('endless')).toMatchObject({ bytes: 0, files: 0 });
  await exact('endless');
});

test('of puts at once as many get in as there is room for', async () => {
  bench.quotas.set('busy', { bytes: 1_000_000, files: 100 });
  const content = 'x'.repeat(100_000);
  const puts = Array.from({ length: 20 }, (_, i) => code(bench.put('busy', `${i}`, content)));
  const codes = await Promise.all(puts);
  expect(codes.filter((one) => one === 'ok')).toHaveLength(10);
  expect(codes.filter((one) => one === 'quota_exceeded')).toHaveLength(10);
  expect(await bench.files.usage('busy')).toMatchObject({ bytes: 1_000_000, files: 10 });
  await exact('busy');
});

test('writes of all kinds at once keep the count right', async () => {
  bench.quotas.set('mixed', { bytes: 300_000, files: 12 });
  let seed = 7;
  const random = (below: number): number => {
    seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31;
    return seed % below;
  };
  const paths = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'];
  const path = () => paths[random(paths.length)] as string;
  const worker = async (): Promise<void> => {
    for (let i = 0; i < 25; i += 1) {
      const kind = random(5);
      const size = random(60_000);
      if (kind < 2) await code(bench.put('mixed', path(), random(2) === 0 ? streamOf(size) : 'x'.repeat(size)));
      else if (kind === 2) await bench.files.delete('mixed', path(), {});
      else
        await code(
          kind === 3 ? bench.files.copy('mixed', path(), path(), {}) : bench.files.move('mixed', path(), path(), {}),
        );
    }
  };
  await Promise.all(Array.from({ length: 6 }, worker));
  await bench.files.sweep();
  await exact('mixed');
  const { bytes, files } = await bench.files.usage('mixed');
  expect(bytes).toBeLessThanOrEqual(300_000);
  const { files: list } = await bench.files.list('mixed', { prefix: '', folders: false, after: null, limit: 100 });
  expect(list).toHaveLength(files);
  // What is in the index can be read, and nothing else is on the disk.
  for (const { path: one, etag } of list)
    expect((await bench.files.get('mixed', one, () => null))?.info.etag).toBe(etag);
  const etags = new Set(list.map(({ etag }) => etag));
  expect(etags.size).toBeGreaterThan(0);
  expect(bench.logged).toEqual([]);
});

test('at most so many contents are under way at once', async () => {
  const hung = () => new ReadableStream<Uint8Array>({ pull: () => new Promise(() => {}) });
  const caller = new AbortController();
  const puts = Array.from({ length: 32 }, (_, i) =>
    code(bench.put('hoard', `${i}`, hung(), { signal: caller.signal })),
  );
  expect(await code(bench.put('hoard', 'more', 'x'))).toBe('quota_exceeded');
  expect(await code(bench.put('other', 'more', 'x'))).toBe('ok');
  caller.abort(Object.assign(new Error('enough'), { code: 'enough' }));
  expect(await Promise.all(puts)).toEqual(Array(32).fill('enough'));
  expect(await code(bench.put('hoard', 'more', 'x'))).toBe('ok');
});
