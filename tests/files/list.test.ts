import { afterAll, beforeAll, expect, test } from 'bun:test';
import { sql } from 'kysely';
import { FILE_LIMITS } from '../../sandbox-apis/files/limits.ts';
import { type FilesBench, filesBench } from '../kit/files.ts';

let bench: FilesBench;
beforeAll(async () => {
  bench = await filesBench();
  for (const path of PATHS) await bench.put('lister', path, path);
});
afterAll(() => bench[Symbol.asyncDispose]());

const PATHS = ['a', 'a b', 'a/1', 'a/2', 'a/x/1', 'a/x/2', 'a/y', 'a0', 'b/deep/er/still', 'b/é', 'z', '日本/語', '😀'];

/** All entries, read in pages of that size, in their order. */
async function walk(prefix: string, folders: boolean, limit: number): Promise<string[]> {
  const found: string[] = [];
  let after: string | null = null;
  do {
    const page = await bench.files.list('lister', { prefix, folders, after, limit });
    const entries = [...page.files.map(({ path }) => path), ...page.folders].sort(byBytes);
    expect(entries.length).toBeLessThanOrEqual(limit);
    found.push(...entries);
    after = page.last;
  } while (after !== null);
  return found;
}

const byBytes = (a: string, b: string) => Buffer.compare(Buffer.from(a), Buffer.from(b));

test.each([1, 2, 3, 5, 100])('all paths in the order of their bytes, %d a page', async (limit) => {
  expect(await walk('', false, limit)).toEqual(PATHS.toSorted(byBytes));
});

test.each([
  ['', ['a', 'a b', 'a/', 'a0', 'b/', 'z', '日本/', '😀']],
  ['a/', ['a/1', 'a/2', 'a/x/', 'a/y']],
  ['a', ['a', 'a b', 'a/', 'a0']],
  ['b/', ['b/deep/', 'b/é']],
  ['日', ['日本/']],
  ['日本/', ['日本/語']],
  ['none', []],
])('the folders and files that begin with "%s"', async (prefix, entries) => {
  for (const limit of [1, 2, 100]) expect(await walk(prefix, true, limit)).toEqual(entries);
});

test('entries that come or go between two pages neither repeat nor hide others', async () => {
  const first = await bench.files.list('lister', { prefix: 'a/', folders: true, after: null, limit: 2 });
  expect(first.last).toBe('a/2');
  await bench.files.delete('lister', 'a/2', {});
  await bench.put('lister', 'a/1z', 'new');
  const second = await bench.files.list('lister', { prefix: 'a/', folders: true, after: first.last, limit: 10 });
  expect([...second.folders, ...second.files.map(({ path }) => path)]).toEqual(['a/x/', 'a/y']);
  await bench.files.delete('lister', 'a/1z', {});
  await bench.put('lister', 'a/2', 'a/2');
});

/** So many files of no content, written past the core. @param path SQL that makes it of `n` */
async function insertRows(plugin: string, count: number, path: string, metadata: object): Promise<void> {
  const key = `blob of ${plugin}`;
  await sql`insert into plugin_files_usage (plugin_name, max_bytes, max_files) values (${plugin}, 1e9, 1e9)`.execute(
    bench.db,
  );
  await sql`insert into plugin_blobs (key, plugin_name, backend, state) values (${key}, ${plugin}, 'local', 'kept')`.execute(
    bench.db,
  );
  await sql`
    insert into plugin_files (plugin_name, path, blob, size, sha256, content_type, metadata)
    select ${plugin}, ${sql.raw(path)}, ${key}, 0, repeat('0', 64), 'text/plain', ${JSON.stringify(metadata)}::text::jsonb
    from generate_series(1, ${count}::int) n`.execute(bench.db);
}

test('a page ends before it is too large to travel', async () => {
  await insertRows('long', 600, `repeat('p', 900) || '/' || n`, { note: 'é'.repeat(500), more: 'x'.repeat(900) });
  const { files, last } = await bench.files.list('long', { prefix: '', folders: false, after: null, limit: 1_000 });
  expect(Buffer.byteLength(JSON.stringify(files))).toBeLessThanOrEqual(FILE_LIMITS.pageBytes);
  expect(files.length).toBeGreaterThan(200);
  expect(last).toBe(files.at(-1)?.path ?? '');
});

test('a folder of many files is one look at the index', async () => {
  await insertRows('wide', 20_000, `'folder/' || n`, {});
  await bench.put('wide', 'last', 'x');
  await sql`analyze plugin_files`.execute(bench.db);
  const started = performance.now();
  const page = await bench.files.list('wide', { prefix: '', folders: true, after: null, limit: 10 });
  expect(page).toMatchObject({ folders: ['folder/'], files: [{ path: 'last' }], last: null });
  expect(performance.now() - started).toBeLessThan(500);
});
