import { describe, expect, test } from 'bun:test';
import { Value } from '@sinclair/typebox/value';
import type { GuestHost } from '../../sandbox-apis/_kit/guest.ts';
import { createStorageBroker, type StorageStore } from '../../sandbox-apis/storage/broker.ts';
import { checkKey, encodeValue } from '../../sandbox-apis/storage/checks.ts';
import { storageContract } from '../../sandbox-apis/storage/contract.ts';
import { createStorage } from '../../sandbox-apis/storage/guest.ts';
import * as many from '../../sandbox-apis/storage/guest-many.ts';
import { STORAGE_LIMITS } from '../../sandbox-apis/storage/limits.ts';
import { testCaller } from '../kit/caller.ts';

const { caller } = testCaller({ plugin: 'keeper' });

/** A store of one plugin that writes down what it was asked. */
function recordingStore(answers: Partial<StorageStore> = {}): { store: StorageStore; asked: unknown[][] } {
  const asked: unknown[][] = [];
  const record =
    <T>(name: string, answer: T) =>
    (...args: unknown[]): Promise<T> => {
      asked.push([name, ...args]);
      return Promise.resolve(answer);
    };
  const store: StorageStore = {
    get: record('get', null),
    getMany: record('getMany', { entries: [], done: 2 }),
    set: record('set', 7),
    setMany: record('setMany', [8, 9]),
    delete: record('delete', true),
    deleteMany: record('deleteMany', 2),
    deletePrefix: record('deletePrefix', { deleted: 2, last: null }),
    list: record('list', { entries: [], more: false }),
    increment: record('increment', 3),
    ...answers,
  };
  return { store, asked };
}

function nested(levels: number): unknown {
  let value: unknown = 1;
  for (let i = 0; i < levels; i += 1) value = i % 2 === 0 ? [value] : { a: value };
  return value;
}

describe('values', () => {
  test.each([
    ['NUL in a text', { a: ['x\0'] }, '/a/0'],
    ['NUL in a key', { 'x\0': 1 }, '/x'],
    ['a lone high surrogate', ['\ud800'], '/0'],
    ['a lone low surrogate in a key', { '\udc00': 1 }, 'value/'],
    ['NaN', { n: Number.NaN }, '/n'],
    ['Infinity', [Number.NEGATIVE_INFINITY], '/0'],
    ['a bigint', [1n], '/0'],
    ['undefined', undefined, 'value'],
    ['a function', { f: () => 1 }, '/f'],
    ['a pointer with its escapes', { 'a/b~c': Number.NaN }, '/a~1b~0c'],
  ])('%s is refused, and the place is named', (_, value, place) => {
    expect(() => encodeValue(value)).toThrow(expect.objectContaining({ code: 'invalid_input' }));
    expect(() => encodeValue(value)).toThrow(place);
  });

  test('an escaped backslash before u0000 is text', () => {
    expect(encodeValue('\\u0000')).toBe('"\\\\u0000"');
  });

  test('depth is limited to the level', () => {
    expect(encodeValue(nested(STORAGE_LIMITS.valueDepth))).toBeString();
    expect(() => encodeValue(nested(STORAGE_LIMITS.valueDepth + 1))).toThrow('nested deeper than 48');
    expect(() => encodeValue(nested(100_000))).toThrow('nested deeper than 48');
  });

  test('size is limited to the byte, in UTF-8 and with the escapes', () => {
    const { valueBytes } = STORAGE_LIMITS;
    expect(encodeValue('x'.repeat(valueBytes - 2))).toHaveLength(valueBytes);
    for (const value of ['x'.repeat(valueBytes - 1), 'ä'.repeat(valueBytes / 2), '\x01'.repeat(valueBytes / 6 + 1)]) {
      expect(() => encodeValue(value)).toThrow(
        expect.objectContaining({ code: 'payload_too_large', extra: { limit: valueBytes } }),
      );
    }
  });
});

describe('keys', () => {
  test('up to 512 bytes of UTF-8', () => {
    checkKey('k'.repeat(512));
    checkKey('ä'.repeat(256));
    expect(() => checkKey('ä'.repeat(257))).toThrow('514 bytes');
  });

  test.each(['a\0b', 'a\nb', '\x7f', 'a\x1b[31m', '\ud800'])('%j is refused', (key) => {
    expect(() => checkKey(key)).toThrow(expect.objectContaining({ code: 'invalid_input' }));
  });

  test('the contract refuses what has no key, or a wrong option', () => {
    const { set, list, delete: remove, increment } = storageContract.calls;
    expect(Value.Check(set.input, { key: '', value: 1 })).toBe(false);
    expect(Value.Check(set.input, { key: 'k', value: 1, ttl: 0 })).toBe(false);
    expect(Value.Check(set.input, { key: 'k', value: 1, ttl: Number.POSITIVE_INFINITY })).toBe(false);
    expect(Value.Check(set.input, { key: 'k', value: 1, ifVersion: -1 })).toBe(false);
    expect(Value.Check(set.input, { key: 'k', value: 1, ifVersion: 1.5 })).toBe(false);
    expect(Value.Check(set.input, { key: 'k', value: 1, plugin: 'other' })).toBe(false);
    expect(Value.Check(remove.input, { key: 'k', ifVersion: 0 })).toBe(false);
    expect(Value.Check(list.input, { limit: 1001 })).toBe(false);
    expect(Value.Check(increment.input, { key: 'k', by: Number.NaN })).toBe(false);
    expect(Value.Check(set.input, { key: 'k', value: null, ttl: 0.5, ifVersion: 0 })).toBe(true);
  });
});

describe('broker', () => {
  test('asks the store for the plugin that calls', async () => {
    const { store, asked } = recordingStore();
    const broker = createStorageBroker({ store });
    expect(await broker.get(caller, { key: 'k' })).toEqual({ entry: null });
    expect(await broker.set(caller, { key: 'k', value: { a: 1 }, ttl: 5, ifVersion: 0 })).toEqual({ version: 7 });
    expect(await broker.delete(caller, { key: 'k' })).toEqual({ deleted: true });
    expect(await broker.increment(caller, { key: 'k', by: 2 })).toEqual({ value: 3 });
    expect(asked).toEqual([
      ['get', 'keeper', 'k'],
      ['set', 'keeper', 'k', '{"a":1}', { ttlSeconds: 5, ifVersion: 0 }],
      ['delete', 'keeper', 'k', undefined],
      ['increment', 'keeper', 'k', 2],
    ]);
  });

  test('refuses before it asks', async () => {
    const { store, asked } = recordingStore();
    const broker = createStorageBroker({ store });
    await expect(broker.set(caller, { key: 'k\n', value: 1 })).rejects.toMatchObject({ code: 'invalid_input' });
    await expect(broker.set(caller, { key: 'k', value: '\0' })).rejects.toMatchObject({ code: 'invalid_input' });
    await expect(broker.list(caller, { prefix: '\ud800' })).rejects.toMatchObject({ code: 'invalid_input' });
    expect(asked).toEqual([]);
  });

  test('gives a cursor when there is more, and takes only its own', async () => {
    const entries = [{ key: 'ä/1', value: 1, version: 1 }];
    const { store, asked } = recordingStore({ list: async () => ({ entries, more: true }) });
    const { cursor } = await createStorageBroker({ store }).list(caller, {});
    expect(cursor).toBeString();
    const next = recordingStore();
    const broker = createStorageBroker({ store: next.store });
    expect(await broker.list(caller, { prefix: 'ä', cursor: cursor as string, limit: 5 })).toEqual({ entries: [] });
    expect(next.asked).toEqual([
      [
        'list',
        'keeper',
        { prefix: 'ä', after: 'ä/1', limit: 5, bytes: STORAGE_LIMITS.pageBytes, values: true, reverse: false },
      ],
    ]);
    for (const forged of ['!!', 'AA', '/w', 'a===', '_w']) {
      await expect(broker.list(caller, { cursor: forged })).rejects.toMatchObject({ code: 'invalid_input' });
    }
    expect(asked).toEqual([]);
  });
});

describe('several at once', () => {
  test('are passed on with their checks', async () => {
    const { store, asked } = recordingStore();
    const broker = createStorageBroker({ store });
    expect(await broker.getMany(caller, { keys: ['b', 'a'] })).toEqual({ entries: [], done: 2 });
    const entries = [
      { key: 'a', value: 1, ttl: 5 },
      { key: 'b', value: [2], ifVersion: 0 },
    ];
    expect(await broker.setMany(caller, { entries })).toEqual({ versions: [8, 9] });
    expect(await broker.deleteMany(caller, { keys: ['a', 'b'] })).toEqual({ deleted: 2 });
    expect(await broker.deletePrefix(caller, { prefix: 'a' })).toEqual({ deleted: 2 });
    expect(asked).toEqual([
      ['getMany', 'keeper', ['b', 'a'], STORAGE_LIMITS.pageBytes],
      [
        'setMany',
        'keeper',
        [
          { key: 'a', json: '1', ttlSeconds: 5, ifVersion: undefined },
          { key: 'b', json: '[2]', ttlSeconds: undefined, ifVersion: 0 },
        ],
      ],
      ['deleteMany', 'keeper', ['a', 'b']],
      ['deletePrefix', 'keeper', { prefix: 'a', after: null, limit: STORAGE_LIMITS.keysAtOnce }],
    ]);
  });

  test('a key that is bad or named twice is refused before the store is asked', async () => {
    const { store, asked } = recordingStore();
    const broker = createStorageBroker({ store });
    const refused = (call: unknown, message: string) =>
      expect(call).rejects.toMatchObject({ code: 'invalid_input', message: expect.stringContaining(message) });
    await refused(broker.getMany(caller, { keys: ['a', 'a'] }), 'named twice');
    await refused(broker.deleteMany(caller, { keys: ['a', 'b\n'] }), 'control character');
    await refused(broker.deletePrefix(caller, { prefix: '\ud800' }), 'surrogate');
    const entry = (key: string, value: unknown) => ({ key, value });
    await refused(broker.setMany(caller, { entries: [entry('a', 1), entry('a', 2)] }), 'named twice');
    await refused(broker.setMany(caller, { entries: [entry('a', 1), entry('b', { x: '\0' })] }), 'key "b": value/x');
    expect(asked).toEqual([]);
  });

  test('a prefix that is not at its end has a cursor, which goes on there', async () => {
    const { store } = recordingStore({ deletePrefix: async () => ({ deleted: 1_000, last: 'ä/9' }) });
    const { cursor = '' } = await createStorageBroker({ store }).deletePrefix(caller, { prefix: 'ä' });
    const next = recordingStore();
    await createStorageBroker({ store: next.store }).deletePrefix(caller, { prefix: 'ä', cursor });
    expect(next.asked).toEqual([['deletePrefix', 'keeper', { prefix: 'ä', after: 'ä/9', limit: 1_000 }]]);
  });
});

describe('guest', () => {
  function guest(answer: unknown): { storage: ReturnType<typeof createStorage>; calls: unknown[][] } {
    const calls: unknown[][] = [];
    const host = {
      call: async (name: string, input: unknown) => {
        calls.push([name, JSON.parse(JSON.stringify(input))]);
        return answer;
      },
    } as unknown as GuestHost;
    return { storage: createStorage(host, { many: () => many, bind: (callback) => callback }), calls };
  }

  test('get gives the value, getEntry tells null from absent', async () => {
    expect(await guest({ entry: { value: { a: 1 }, version: 3 } }).storage.get('k')).toEqual({ a: 1 });
    expect(await guest({ entry: { value: null, version: 3 } }).storage.getEntry('k')).toEqual({
      key: 'k',
      value: null,
      version: 3,
    });
    expect(await guest({ entry: null }).storage.getEntry('k')).toBeNull();
    expect(await guest({ entry: null }).storage.get('k')).toBeNull();
  });

  test('options are passed as the contract has them', async () => {
    const { storage, calls } = guest({ version: 1, deleted: true, value: 2, entries: [] });
    await storage.set('k', [1], { ttl: 5, ifVersion: 2 });
    await storage.set('k', 1);
    expect(await storage.delete('k', { ifVersion: 2 })).toBe(true);
    expect(await storage.increment('k')).toBe(2);
    await storage.list();
    expect(calls).toEqual([
      ['storage.set', { key: 'k', value: [1], ttl: 5, ifVersion: 2 }],
      ['storage.set', { key: 'k', value: 1 }],
      ['storage.delete', { key: 'k', ifVersion: 2 }],
      ['storage.increment', { key: 'k', by: 1 }],
      ['storage.list', {}],
    ]);
    for (const [name, input] of calls as [string, unknown][]) {
      const call = name.slice('storage.'.length) as keyof typeof storageContract.calls;
      expect(Value.Check(storageContract.calls[call].input, input)).toBe(true);
    }
  });

  test('the limit of depth is that of the broker', async () => {
    const { storage, calls } = guest({ version: 1 });
    await storage.set('k', nested(STORAGE_LIMITS.valueDepth));
    await expect(storage.set('k', nested(STORAGE_LIMITS.valueDepth + 1))).rejects.toThrow('deeper than 48');
    expect(calls).toHaveLength(1);
  });

  test('what JSON would change without a word is refused', async () => {
    const circle: unknown[] = [];
    circle.push(circle);
    for (const value of [undefined, Number.NaN, [undefined], { a: 1n }, new Map(), { s: new Set() }, () => 1, circle]) {
      const { storage, calls } = guest({ version: 1 });
      await expect(storage.set('k', value)).rejects.toMatchObject({ code: 'invalid_input' });
      expect(calls).toEqual([]);
    }
    const { storage } = guest({ version: 1 });
    await expect(storage.increment('k', Number.NaN)).rejects.toMatchObject({ code: 'invalid_input' });
    await storage.set('k', { at: new Date(0), left: undefined });
  });

  /** A guest whose calls are answered by a function; with what was asked. */
  function asking(answer: (name: string, input: never) => unknown) {
    const calls: [string, unknown][] = [];
    const call = async (name: string, input: unknown) => {
      calls.push([name, JSON.parse(JSON.stringify(input))]);
      return answer(name, input as never);
    };
    const parts = { many: () => many, bind: <T>(callback: T) => callback };
    return { storage: createStorage({ call } as unknown as GuestHost, parts), calls };
  }

  test('getMany asks for each key once, and again for what an answer had no room for', async () => {
    const { storage, calls } = asking((_name, { keys }: { keys: string[] }) => ({
      entries: keys
        .slice(0, 2)
        .filter((key) => key !== 'none')
        .map((key) => ({ key, value: `of ${key}`, version: 1 })),
      done: Math.min(2, keys.length),
    }));
    const found = await storage.getMany(['b', 'none', 'a', 'b', '__proto__']);
    expect([...found]).toEqual([
      ['b', 'of b'],
      ['a', 'of a'],
      ['__proto__', 'of __proto__'],
    ]);
    expect(calls.map(([, input]) => input)).toEqual([
      { keys: ['b', 'none', 'a', '__proto__'] },
      { keys: ['a', '__proto__'] },
    ]);
    expect((await storage.getEntries(['b'])).get('b')).toEqual({ key: 'b', value: 'of b', version: 1 });
    expect(await storage.getMany([])).toEqual(new Map());
    expect(calls).toHaveLength(3);
    await expect(storage.getMany('ab' as never)).rejects.toMatchObject({ code: 'invalid_input' });
  });

  test('setMany answers the versions by key', async () => {
    const { storage, calls } = asking(() => ({ versions: [4, 5] }));
    const versions = await storage.setMany([
      { key: 'a', value: 1, ttl: 9 },
      { key: 'b', value: null, ifVersion: 0 },
    ]);
    expect([...versions]).toEqual([
      ['a', 4],
      ['b', 5],
    ]);
    expect(calls).toEqual([
      [
        'storage.setMany',
        {
          entries: [
            { key: 'a', value: 1, ttl: 9 },
            { key: 'b', value: null, ifVersion: 0 },
          ],
        },
      ],
    ]);
    expect(await storage.setMany([])).toEqual(new Map());
    await expect(storage.setMany([{ key: 'a', value: Number.NaN }])).rejects.toMatchObject({ code: 'invalid_input' });
    await expect(storage.setMany([{ key: 'a', value: undefined }])).rejects.toMatchObject({ code: 'invalid_input' });
    expect(calls).toHaveLength(1);
  });

  test('deleteMany takes keys, or a prefix to its end', async () => {
    const { storage, calls } = asking((name, { cursor }: { cursor?: string }) => {
      if (name === 'storage.deleteMany') return { deleted: 2 };
      return cursor === undefined ? { deleted: 1_000, cursor: 'x' } : { deleted: 7 };
    });
    expect(await storage.deleteMany(['a', 'b'])).toBe(2);
    expect(await storage.deleteMany({ prefix: 'c/' })).toBe(1_007);
    expect(await storage.deleteMany([])).toBe(0);
    expect(calls).toEqual([
      ['storage.deleteMany', { keys: ['a', 'b'] }],
      ['storage.deletePrefix', { prefix: 'c/' }],
      ['storage.deletePrefix', { prefix: 'c/', cursor: 'x' }],
    ]);
  });

  describe('update', () => {
    /** One key that another writer changes so many times, each just before it is written. */
    function contended(others: number, first: { value: unknown; version: number } | null = { value: 0, version: 1 }) {
      let entry = first;
      let left = others;
      return asking((name, input: { value: unknown; ifVersion: number }) => {
        if (name === 'storage.get') return { entry };
        if (left > 0) {
          left -= 1;
          entry = { value: Number(entry?.value ?? 0) + 100, version: (entry?.version ?? 0) + 1 };
        }
        if ((entry?.version ?? 0) !== input.ifVersion)
          throw Object.assign(new Error('no'), { code: 'version_conflict' });
        entry = { value: input.value, version: (entry?.version ?? 0) + 1 };
        return { version: entry.version };
      });
    }
    const plusOne = (value: number | null) => (value ?? 0) + 1;

    test('writes what comes of the value as it is by then', async () => {
      const { storage, calls } = contended(3);
      expect(await storage.update('k', plusOne, { ttl: 60 })).toBe(301);
      expect(calls.at(-1)).toEqual(['storage.set', { key: 'k', value: 301, ttl: 60, ifVersion: 4 }]);
    });

    test('makes what is absent, and leaves what is not to change', async () => {
      const absent = contended(0, null);
      expect(await absent.storage.update('k', plusOne)).toBe(1);
      expect(absent.calls.at(-1)).toEqual(['storage.set', { key: 'k', value: 1, ifVersion: 0 }]);
      const { storage, calls } = contended(0);
      expect(await storage.update<number>('k', () => undefined)).toBe(0);
      expect(calls).toHaveLength(1);
    });

    test('gives up after twenty others, with their conflict', async () => {
      expect(await contended(19).storage.update('k', plusOne)).toBe(1_901);
      const { storage, calls } = contended(20);
      await expect(storage.update('k', plusOne)).rejects.toMatchObject({ code: 'version_conflict' });
      expect(calls).toHaveLength(40);
    });

    test('those of the same key take turns, and one that fails holds up none', async () => {
      const { storage, calls } = contended(0);
      const outcomes = await Promise.allSettled([
        storage.update('k', plusOne),
        storage.update('k', () => Promise.reject(new Error('mine'))),
        ...Array.from({ length: 30 }, () => storage.update('k', plusOne)),
        storage.update('k', () => Number.NaN),
        storage.update('k', plusOne),
      ]);
      expect(outcomes.filter(({ status }) => status === 'rejected')).toMatchObject([
        { reason: { message: 'mine' } },
        { reason: { code: 'invalid_input' } },
      ]);
      expect(outcomes.at(-1)).toMatchObject({ value: 32 });
      expect(calls.filter(([name]) => name === 'storage.set')).toHaveLength(32);
    });
  });
});
