import type { Handlers } from '../_kit/contract.ts';
import { CodedError } from '../_kit/errors.ts';
import { checkKey, encodeValue } from './checks.ts';
import type { storageContract } from './contract.ts';
import { STORAGE_LIMITS } from './limits.ts';

export interface StoredValue {
  readonly value: unknown;
  /** At least 1; grows with each write and is never used again for the key. */
  readonly version: number;
}

export interface StoredEntry extends StoredValue {
  readonly key: string;
}

/** What the room needs of a store. Keys, values and limits are checked before; expired keys are absent. */
export interface StorageStore {
  get(plugin: string, key: string): Promise<StoredValue | null>;
  /**
   * Writes JSON text and answers the new version.
   * @throws CodedError `version_conflict` (extra: `current`, 0 when absent), `quota_exceeded`
   */
  set(
    plugin: string,
    key: string,
    json: string,
    options: { readonly ttlSeconds?: number | undefined; readonly ifVersion?: number | undefined },
  ): Promise<number>;
  /** @throws CodedError `version_conflict` */
  delete(plugin: string, key: string, ifVersion?: number): Promise<boolean>;
  /** The entries after the key `after`, in the order of the keys' bytes; `more` when some were left off. */
  list(
    plugin: string,
    page: { readonly prefix: string; readonly after: string | null; readonly limit: number; readonly bytes: number },
  ): Promise<{ readonly entries: StoredEntry[]; readonly more: boolean }>;
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
    set: async ({ plugin }, { key, value, ttl, ifVersion }) => {
      checkKey(key);
      return { version: await store.set(plugin, key, encodeValue(value), { ttlSeconds: ttl, ifVersion }) };
    },
    delete: async ({ plugin }, { key, ifVersion }) => {
      checkKey(key);
      return { deleted: await store.delete(plugin, key, ifVersion) };
    },
    list: async ({ plugin }, { prefix = '', cursor, limit = STORAGE_LIMITS.defaultPageEntries }) => {
      checkKey(prefix, 'prefix');
      const after = cursor === undefined ? null : decodeCursor(cursor);
      const { entries, more } = await store.list(plugin, { prefix, after, limit, bytes: STORAGE_LIMITS.pageBytes });
      const last = entries.at(-1);
      return more && last !== undefined ? { entries, cursor: encodeCursor(last.key) } : { entries };
    },
    increment: async ({ plugin }, { key, by }) => {
      checkKey(key);
      return { value: await store.increment(plugin, key, by) };
    },
  };
}

/** The last key of a page: still a good place to go on from when keys come and go between the pages. */
function encodeCursor(key: string): string {
  return Buffer.from(key).toString('base64url');
}

function decodeCursor(cursor: string): string {
  const key = Buffer.from(cursor, 'base64url').toString();
  if (encodeCursor(key) !== cursor) throw new CodedError('invalid_input', 'cursor: is not one that list() gave');
  checkKey(key);
  return key;
}
