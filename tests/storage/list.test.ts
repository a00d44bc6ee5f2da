import { afterAll, beforeAll, expect, test } from 'bun:test';
import { endOfPrefix } from '../../src/storage/key-range.ts';
import { createStore, type Store } from '../../src/storage/store.ts';
import { type TestDatabase, testDatabase } from '../kit/postgres.ts';

let database: TestDatabase;
let store: Store;
beforeAll(async () => {
  database = await testDatabase();
  store = createStore(database.db);
});
afterAll(() => database.drop());

/** With values, from the front. */
const plain = { values: true, reverse: false } as const;

async function keys(plugin: string, prefix = '', after: string | null = null, limit = 1_000): Promise<string[]> {
  const { entries } = await store.list(plugin, { prefix, after, limit, bytes: 1e6, ...plain });
  return entries.map(({ key }) => key);
}

const put = (plugin: string, names: readonly string[]) =>
  Promise.all(names.map((name) => store.set(plugin, name, '1', {})));

test('the order is that of the bytes, whatever the language', async () => {
  const names = ['a', 'B', 'b', 'ä', 'Z', 'z', '10', '9', 'a b', 'a-b', 'a_b', 'ab', '\u{10000}', '\uffff', '~', '-'];
  await put('order', names);
  const bytes = (text: string) => Buffer.from(text).toString('hex');
  expect(await keys('order')).toEqual([...names].sort((a, b) => (bytes(a) < bytes(b) ? -1 : 1)));
});

test('a prefix is text, not a pattern', async () => {
  await put('prefix', [
    'user:1',
    'user:2',
    'user',
    'users:1',
    'a%',
    'a_',
    'ab',
    'a\u{10ffff}',
    'a\u{10ffff}b',
    '\ud7ff',
    '\ud7ffx',
  ]);
  expect(await keys('prefix', 'user:')).toEqual(['user:1', 'user:2']);
  expect(await keys('prefix', 'a%')).toEqual(['a%']);
  expect(await keys('prefix', 'a_')).toEqual(['a_']);
  expect(await keys('prefix', 'a\u{10ffff}')).toEqual(['a\u{10ffff}', 'a\u{10ffff}b']);
  expect(await keys('prefix', '\ud7ff')).toEqual(['\ud7ff', '\ud7ffx']);
  expect(await keys('prefix', 'user:', 'a')).toEqual(['user:1', 'user:2']);
  expect(await keys('prefix', 'none')).toEqual([]);
});

test('the end of a prefix is the next text that does not begin with it', () => {
  expect(endOfPrefix('ab')).toBe('ac');
  expect(endOfPrefix('a\u{10ffff}')).toBe('b');
  expect(endOfPrefix('\ud7ff')).toBe('\ue000');
  expect(endOfPrefix('\u{10ffff}')).toBeNull();
  expect(endOfPrefix('')).toBeNull();
});

test('pages go on where the last one ended, though keys come and go', async () => {
  await put('pages', ['a', 'b', 'c', 'd', 'e']);
  const first = await store.list('pages', { prefix: '', after: null, limit: 2, bytes: 1e6, ...plain });
  expect(first).toMatchObject({ entries: [{ key: 'a', value: 1 }, { key: 'b' }], more: true });
  await store.delete('pages', 'b');
  await put('pages', ['aa', 'ca']);
  expect(await keys('pages', '', 'b', 2)).toEqual(['c', 'ca']);
  expect(await store.list('pages', { prefix: '', after: 'd', limit: 1, bytes: 1e6, ...plain })).toMatchObject({
    more: false,
  });
});

test('a page ends before its bytes do, and has one entry at least', async () => {
  for (let i = 0; i < 10; i += 1) await store.set('bytes', `k${i}`, JSON.stringify('x'.repeat(1_000)), {});
  const page = await store.list('bytes', { prefix: '', after: null, limit: 100, bytes: 3_500, ...plain });
  expect(page).toMatchObject({ more: true, entries: { length: 3 } });
  expect(Buffer.byteLength(JSON.stringify(page.entries))).toBeLessThanOrEqual(3_500);
  const small = await store.list('bytes', { prefix: '', after: 'k8', limit: 100, bytes: 10, ...plain });
  expect(small).toMatchObject({ more: false, entries: { length: 1 } });
});
