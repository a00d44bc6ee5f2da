import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { sql } from 'kysely';
import { createStore, type Store } from '../../src/storage/store.ts';
import { type TestDatabase, testDatabase } from '../kit/postgres.ts';

let database: TestDatabase;
let store: Store;
beforeAll(async () => {
  database = await testDatabase();
  store = createStore(database.db, () => ({ bytes: 1e6, keys: 2_000 }));
});
afterAll(() => database.drop());

const set = (plugin: string, key: string, value: unknown) => store.set(plugin, key, JSON.stringify(value), {});
const write = (key: string, value: unknown, options = {}) => ({ key, json: JSON.stringify(value), ...options });
const expire = (plugin: string, key: string) =>
  sql`update plugin_storage set expires_at = now() - interval '1 s' where plugin_name = ${plugin} and key = ${key}`.execute(
    database.db,
  );
const valueAt = async (plugin: string, key: string) => (await store.get(plugin, key))?.value;

describe('getMany', () => {
  test('answers what is there, as it was asked for', async () => {
    for (const key of ['a', 'b', '__proto__', 'ä']) await set('get', key, { key });
    await set('get', 'gone', 1);
    await expire('get', 'gone');
    await set('others', 'c', 1);
    const { entries, done } = await store.getMany('get', ['ä', 'c', '__proto__', 'gone', 'a'], 1e6);
    expect(done).toBe(5);
    expect(entries.map(({ key, value }) => [key, value])).toEqual(['ä', '__proto__', 'a'].map((key) => [key, { key }]));
    expect(entries.every(({ version }) => version > 0)).toBe(true);
  });

  test('stops where the bytes end, and says how far it came', async () => {
    for (const n of [1, 2, 3]) await set('bytes', `k${n}`, 'x'.repeat(1_000));
    const keys = ['none', 'k1', 'k2', 'not', 'k3'];
    const first = await store.getMany('bytes', keys, 2_300);
    expect(first).toMatchObject({ done: 4, entries: [{ key: 'k1' }, { key: 'k2' }] });
    expect(await store.getMany('bytes', keys, 10)).toMatchObject({ done: 2, entries: [{ key: 'k1' }] });
    expect(await store.getMany('bytes', ['none', 'not'], 10)).toEqual({ done: 2, entries: [] });
  });
});

describe('gets at the same time', () => {
  test('each has its own answer, those of the same key too', async () => {
    for (let n = 0; n < 20; n += 1) await set('gather', `k${n}`, n);
    const asked = Array.from({ length: 100 }, (_, n) => n % 25);
    const found = await Promise.all(asked.map((n) => store.get('gather', `k${n}`)));
    expect(found.map((entry) => entry?.value ?? null)).toEqual(asked.map((n) => (n < 20 ? n : null)));
  });

  test('plugins are not mixed', async () => {
    await set('one', 'k', 'of one');
    await set('two', 'k', 'of two');
    const both = await Promise.all(['one', 'two', 'three'].map((plugin) => valueAt(plugin, 'k')));
    expect(both).toEqual(['of one', 'of two', undefined]);
  });

  test('large values come in several answers', async () => {
    const large = 'x'.repeat(200_000);
    await Promise.all([1, 2, 3, 4].map((n) => set('large', `k${n}`, large)));
    const roomy = createStore(database.db, () => ({ bytes: 1e8, keys: 100 }));
    await Promise.all([5, 6, 7, 8, 9].map((n) => roomy.set('large', `k${n}`, JSON.stringify(large), {})));
    const found = await Promise.all([1, 2, 3, 4, 5, 6, 7, 8, 9, 10].map((n) => valueAt('large', `k${n}`)));
    expect(found).toEqual([...Array.from({ length: 9 }, () => large), undefined]);
  });
});

describe('setMany', () => {
  test('writes all, with the time that each has, and answers their versions', async () => {
    await set('set', 'old', 1);
    const versions = await store.setMany('set', [
      write('z', { a: 1 }),
      write('old', null),
      write('brief', 'x', { ttlSeconds: 3600 }),
    ]);
    const stored = await store.getMany('set', ['z', 'old', 'brief'], 1e6);
    expect(stored.entries.map(({ value }) => value)).toEqual([{ a: 1 }, null, 'x']);
    expect(stored.entries.map(({ version }) => version)).toEqual(versions);
    const { rows } = await sql<{ key: string }>`
      select key from plugin_storage where plugin_name = 'set' and expires_at is not null`.execute(database.db);
    expect(rows).toEqual([{ key: 'brief' }]);
  });

  test('one version that is another, and nothing is written', async () => {
    const version = await set('cas', 'there', 1);
    await set('cas', 'expired', 1);
    await expire('cas', 'expired');
    const refused = async (key: string, ifVersion: number, current: number) => {
      const writes = [write('a', 'new'), write(key, 'new', { ifVersion }), write('zz', 'new')];
      await expect(store.setMany('cas', writes)).rejects.toMatchObject({
        code: 'version_conflict',
        extra: { key, current },
      });
    };
    await refused('there', 0, version);
    await refused('there', version + 1_000, version);
    await refused('absent', version, 0);
    await refused('expired', version, 0);
    for (const key of ['a', 'zz', 'absent', 'expired']) expect(await store.get('cas', key)).toBeNull();
    expect(await store.get('cas', 'there')).toEqual({ value: 1, version });
    expect((await store.usage('cas')).keys).toBe(2);

    await store.setMany('cas', [
      write('there', 2, { ifVersion: version }),
      write('absent', 2, { ifVersion: 0 }),
      write('expired', 2, { ifVersion: 0 }),
      write('__proto__', 2, { ifVersion: 0 }),
    ]);
    for (const key of ['there', 'absent', 'expired', '__proto__']) expect(await valueAt('cas', key)).toBe(2);
  });

  test('no room for one, and nothing is written', async () => {
    const writes = [write('small', 1), ...Array.from({ length: 5 }, (_, n) => write(`large${n}`, 'x'.repeat(250_000)))];
    await expect(store.setMany('room', writes)).rejects.toMatchObject({
      code: 'quota_exceeded',
      extra: { limit: 'storageBytes' },
    });
    expect(await store.usage('room')).toMatchObject({ bytes: 0, keys: 0 });
    expect(await store.get('room', 'small')).toBeNull();
  });
});

describe('removing several', () => {
  test('by key: answers how many were there', async () => {
    for (const key of ['a', 'b', 'c']) await set('remove', key, 1);
    await expire('remove', 'b');
    expect(await store.deleteMany('remove', ['a', 'b', 'none'])).toBe(1);
    expect(await store.usage('remove')).toMatchObject({ keys: 1, bytes: 2 });
    expect(await valueAt('remove', 'c')).toBe(1);
  });

  test('by prefix: piece by piece, and nothing else', async () => {
    const keys = ['p', 'p/', 'p/1', 'p/2', 'p/\u{10000}', 'p/\uffff', 'p0', 'o'];
    for (const key of keys) await set('prefix', key, 1);
    const first = await store.deletePrefix('prefix', { prefix: 'p/', after: null, limit: 4 });
    expect(first).toEqual({ deleted: 4, last: 'p/\uffff' });
    const second = await store.deletePrefix('prefix', { prefix: 'p/', after: first.last, limit: 4 });
    expect(second).toEqual({ deleted: 1, last: null });
    const { entries } = await store.list('prefix', { ...PAGE, prefix: '' });
    expect(entries.map(({ key }) => key)).toEqual(['o', 'p', 'p0']);
  });
});

const PAGE = { prefix: 'k', after: null, limit: 100, bytes: 1e6, values: true, reverse: false } as const;

describe('list', () => {
  test('backwards is the same, from the end', async () => {
    await store.setMany(
      'back',
      ['j', 'k1', 'k2', 'k3', 'k4', 'l'].map((key) => write(key, key)),
    );
    const names = async (page: object) =>
      (await store.list('back', { ...PAGE, ...page })).entries.map(({ key }) => key);
    expect(await names({ reverse: true })).toEqual(['k4', 'k3', 'k2', 'k1']);
    expect(await names({ reverse: true, limit: 2 })).toEqual(['k4', 'k3']);
    expect(await names({ reverse: true, limit: 2, after: 'k3' })).toEqual(['k2', 'k1']);
    expect(await names({ after: 'k2' })).toEqual(['k3', 'k4']);
    expect(await store.list('back', { ...PAGE, reverse: true, limit: 3 })).toMatchObject({ more: true });
    expect(await store.list('back', { ...PAGE, reverse: true, limit: 4 })).toMatchObject({ more: false });
  });

  test('without values has room for as many keys as are asked for', async () => {
    await store.setMany(
      'keys',
      ['k1', 'k2', 'k3'].map((key) => write(key, 'x'.repeat(1_000))),
    );
    const page = { ...PAGE, bytes: 500 };
    expect((await store.list('keys', page)).entries).toHaveLength(1);
    const { entries, more } = await store.list('keys', { ...page, values: false });
    expect(entries).toEqual(['k1', 'k2', 'k3'].map((key) => ({ key, version: expect.any(Number) })));
    expect(more).toBe(false);
  });
});
