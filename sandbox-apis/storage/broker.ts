import type { Handlers } from '../_kit/contract.ts';
import { CodedError } from '../_kit/errors.ts';
import { checkKey, encodeValue } from './checks.ts';
import type { storageContract } from './contract.ts';
import { decodeCursor, encodeCursor } from './cursor.ts';
import { STORAGE_LIMITS } from './limits.ts';

export interface StoredValue {
  readonly value: unknown;
  /** At least 1; grows with each write and is never used again for the key. */
  readonly version: number;
}

export interface StoredEntry extends StoredValue {
  readonly key: string;
}

/** An entry of a page, whose value is left out when only keys were asked for. */
export interface ListedEntry {
  readonly key: string;
  readonly value?: unknown;
  readonly version: number;
}

export interface WriteOptions {
  readonly ttlSeconds?: number | undefined;
  /** The version that the key has to have; 0: it must not be there. */
  readonly ifVersion?: number | undefined;
}

export interface Write extends WriteOptions {
  readonly key: string;
  /** JSON text. */
  readonly json: string;
}

export interface Page {
  readonly prefix: string;
  /** Only keys beyond this one, in the direction of reading. */
  readonly after: string | null;
  readonly limit: number;
  /** What the entries may add up to as JSON; the first one is there whatever it takes. */
  readonly bytes: number;
  readonly values: boolean;
  readonly reverse: boolean;
}

/** What the room needs of a store. Keys, values and limits are checked before; expired keys are absent. */
export interface StorageStore {
  get(plugin: string, key: string): Promise<StoredValue | null>;
  /**
   * The entries of those keys that are there, in the order of `keys`, which are distinct.
   *
   * @param bytes what the entries may add up to as JSON; the first one is there whatever it takes
   * @returns `done`: how many keys were looked at before the bytes were used up
   */
  getMany(
    plugin: string,
    keys: readonly string[],
    bytes: number,
  ): Promise<{ readonly entries: StoredEntry[]; readonly done: number }>;
  /**
   * Writes JSON text and answers the new version.
   * @throws CodedError `version_conflict` (extra: `key`, `current`, 0 when absent), `quota_exceeded`
   */
  set(plugin: string, key: string, json: string, options: WriteOptions): Promise<number>;
  /** The same for several distinct keys, all or none; answers the versions in the order of `writes`. */
  setMany(plugin: string, writes: readonly Write[]): Promise<number[]>;
  /** @throws CodedError `version_conflict` */
  delete(plugin: string, key: string, ifVersion?: number): Promise<boolean>;
  /** Answers how many of the keys were there. */
  deleteMany(plugin: string, keys: readonly string[]): Promise<number>;
  /** Removes at most `limit` keys that begin with `prefix` and follow `after`; `last` is where to go on, null at the end. */
  deletePrefix(
    plugin: string,
    range: { readonly prefix: string; readonly after: string | null; readonly limit: number },
  ): Promise<{ readonly deleted: number; readonly last: string | null }>;
  /** Entries in the order of the keys' bytes; `more` when some were left off. */
  list(plugin: string, page: Page): Promise<{ readonly entries: ListedEntry[]; readonly more: boolean }>;
  /** @throws CodedError `invalid_input` (not a number, or beyond a double), `quota_exceeded` */
  increment(plugin: string, key: string, by: number): Promise<number>;
}

export interface StorageDeps {
  readonly store: StorageStore;
}

/** The core's half of `streamspace.storage`. */
export function createStorageBroker({ store }: StorageDeps): Handlers<typeof storageContract> {
  return {
    get: async ({ plugin }, { key }) => {
      checkKey(key);
      return { entry: await store.get(plugin, key) };
    },
    getMany: async ({ plugin }, { keys }) => {
      checkKeys(keys);
      return store.getMany(plugin, keys, STORAGE_LIMITS.pageBytes);
    },
    set: async ({ plugin }, { key, value, ttl, ifVersion }) => {
      checkKey(key);
      return { version: await store.set(plugin, key, encodeValue(value), { ttlSeconds: ttl, ifVersion }) };
    },
    setMany: async ({ plugin }, { entries }) => {
      checkKeys(entries.map(({ key }) => key));
      const writes = entries.map(({ key, value, ttl, ifVersion }) => ({
        key,
        json: encodeValue(value, key),
        ttlSeconds: ttl,
        ifVersion,
      }));
      return { versions: await store.setMany(plugin, writes) };
    },
    delete: async ({ plugin }, { key, ifVersion }) => {
      checkKey(key);
      return { deleted: await store.delete(plugin, key, ifVersion) };
    },
    deleteMany: async ({ plugin }, { keys }) => {
      checkKeys(keys);
      return { deleted: await store.deleteMany(plugin, keys) };
    },
    deletePrefix: async ({ plugin }, { prefix, cursor }) => {
      checkKey(prefix, 'prefix');
      const range = { prefix, after: placeOf(cursor), limit: STORAGE_LIMITS.keysAtOnce };
      const { deleted, last } = await store.deletePrefix(plugin, range);
      return last === null ? { deleted } : { deleted, cursor: encodeCursor(last) };
    },
    list: async ({ plugin }, { prefix = '', cursor, values = true, reverse = false, ...asked }) => {
      checkKey(prefix, 'prefix');
      const limit = asked.limit ?? STORAGE_LIMITS.defaultPageEntries;
      const page = { prefix, after: placeOf(cursor), limit, bytes: STORAGE_LIMITS.pageBytes, values, reverse };
      const { entries, more } = await store.list(plugin, page);
      const last = entries.at(-1);
      return more && last !== undefined ? { entries, cursor: encodeCursor(last.key) } : { entries };
    },
    increment: async ({ plugin }, { key, by }) => {
      checkKey(key);
      return { value: await store.increment(plugin, key, by) };
    },
  };
}

function placeOf(cursor: string | undefined): string | null {
  return cursor === undefined ? null : decodeCursor(cursor);
}

function checkKeys(keys: readonly string[]): void {
  const seen = new Set<string>();
  for (const key of keys) {
    checkKey(key);
    if (seen.has(key)) throw new CodedError('invalid_input', `key "${key}" is named twice`);
    seen.add(key);
  }
}
