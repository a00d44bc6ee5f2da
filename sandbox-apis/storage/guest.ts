import type { GuestHost } from '../_kit/guest.ts';
import { assertJson } from '../_kit/json.ts';
import type * as part from './guest-many.ts';

export interface StorageEntry<T = unknown> {
  readonly key: string;
  readonly value: T;
  /** At least 1; changes with each write and never comes back, also after the key was deleted and made again. */
  readonly version: number;
}

export interface SetOptions {
  /** Seconds until the key reads as absent; without it the key stays, also when it had a `ttl` before. */
  readonly ttl?: number;
  /** Write only if this is still the key's version; 0 means only if the key does not exist. */
  readonly ifVersion?: number;
}

/** One write of `setMany`. */
export interface StorageWrite extends SetOptions {
  readonly key: string;
  readonly value: unknown;
}

export interface ListOptions {
  /** Only keys that begin with it. */
  readonly prefix?: string;
  /** The `cursor` of the page before. */
  readonly cursor?: string;
  /** Entries of a page, 1 to 1000; 100 when not said. A page also ends before 1 MB. */
  readonly limit?: number;
  /** The last key first. */
  readonly reverse?: boolean;
  /** `false` leaves the values out: quicker, and up to 1000 keys whatever they hold. */
  readonly values?: boolean;
}

export interface StoragePage<T = unknown> {
  /** In the order of the keys' UTF-8 bytes. */
  readonly entries: StorageEntry<T>[];
  /** Pass it to read on; absent on the last page. */
  readonly cursor?: string;
}

/** A page that was asked for without values. */
export interface StorageKeyPage {
  readonly entries: Pick<StorageEntry, 'key' | 'version'>[];
  readonly cursor?: string;
}

/**
 * `streamspace.storage`: JSON values under keys that belong to this plugin alone. A key is 1 to 512 bytes of UTF-8
 * without control characters, a value at most 256 KiB of JSON and 48 levels deep. What is written is durable.
 *
 * @example
 * ```ts
 * const { storage } = streamspace;
 * await storage.set('greeting', { text: 'hello' }, { ttl: 3600 });
 * const greeting = await storage.get<{ text: string }>('greeting');
 * streamspace.log.info(greeting?.text ?? 'it has expired');
 * ```
 */
export interface StorageApi {
  /** The value of `key`, or null when there is none (or it has expired). */
  get<T = unknown>(key: string): Promise<T | null>;
  /** The value with its version, for `ifVersion`; tells a stored null from an absent key. */
  getEntry<T = unknown>(key: string): Promise<StorageEntry<T> | null>;
  /**
   * Writes `value`, which must be JSON: strings, finite numbers, booleans, null, arrays and plain objects.
   * @returns the new version
   * @throws `version_conflict` (its `current` is the version now, 0 when absent), `quota_exceeded`, `payload_too_large`,
   * `invalid_input`
   * @example
   * ```ts
   * const { storage } = streamspace;
   * const entry = await storage.getEntry<string[]>('members');
   * await storage.set('members', [...(entry?.value ?? []), 'ada'], { ifVersion: entry?.version ?? 0 });
   * ```
   */
  set(key: string, value: unknown, options?: SetOptions): Promise<{ readonly version: number }>;
  /**
   * Changes the value of `key` by what it is now: reads it, calls `change`, and writes what that answers unless somebody
   * else has written meanwhile; then all of it again, up to 20 times. `change` gets null for an absent key; when it answers
   * `undefined`, nothing is written. It must not update the same key itself.
   * @returns the value that is there now
   * @throws `version_conflict` after the last try, and whatever `change` throws
   * @example
   * ```ts
   * const { storage } = streamspace;
   * await storage.update<string[]>('members', (members) => [...(members ?? []), 'ada']);
   * ```
   */
  update<T = unknown>(
    key: string,
    change: (value: T | null) => T | undefined | Promise<T | undefined>,
    options?: { readonly ttl?: number },
  ): Promise<T | null>;
  /**
   * The values of several keys at once; those that are absent are not in the map. The order is that of `keys`.
   *
   * @example
   * ```ts
   * const prices = await streamspace.storage.getMany<number>(['price/tea', 'price/coffee']);
   * streamspace.log.info('tea', { price: prices.get('price/tea') ?? 0 });
   * ```
   */
  getMany<T = unknown>(keys: readonly string[]): Promise<Map<string, T>>;
  /** The same with the versions. */
  getEntries<T = unknown>(keys: readonly string[]): Promise<Map<string, StorageEntry<T>>>;
  /**
   * Writes up to 1000 keys and 1 MB, all or none: one version that does not fit, or no room for one, and nothing is changed.
   * Each key is named once.
   * @returns the new versions by key
   * @throws `version_conflict` (its `key` says which), `quota_exceeded`, `payload_too_large`, `invalid_input`
   * @example
   * ```ts
   * await streamspace.storage.setMany([
   *   { key: 'order/7', value: { items: 2 }, ifVersion: 0 },
   *   { key: 'order/7/hold', value: true, ttl: 900 },
   * ]);
   * ```
   */
  setMany(entries: readonly StorageWrite[]): Promise<Map<string, number>>;
  /**
   * Removes `key`; with `ifVersion` only if that is still its version.
   * @returns whether it was there
   * @throws `version_conflict`
   */
  delete(key: string, options?: { readonly ifVersion?: number }): Promise<boolean>;
  /**
   * Removes several keys: up to 1000 by name in one step, or all that begin with a prefix, a thousand after the other.
   * @returns how many were there
   * @example
   * ```ts
   * const removed = await streamspace.storage.deleteMany({ prefix: 'cache/' });
   * ```
   */
  deleteMany(which: readonly string[] | { readonly prefix: string }): Promise<number>;
  /**
   * A page of entries; keys that come or go between two pages neither repeat nor hide others.
   *
   * @example
   * ```ts
   * let cursor: string | undefined;
   * do {
   *   const page = await streamspace.storage.list<string>({ prefix: 'notes/', ...(cursor && { cursor }) });
   *   for (const { key, value } of page.entries) streamspace.log.info(key, { value });
   *   cursor = page.cursor;
   * } while (cursor !== undefined);
   * ```
   */
  list(options: ListOptions & { readonly values: false }): Promise<StorageKeyPage>;
  list<T = unknown>(options?: ListOptions): Promise<StoragePage<T>>;
  /**
   * Adds `by` (1) to the number under `key` in one step, so that concurrent calls all count; an absent key counts as 0.
   * A `ttl` that the key has stays.
   * @returns the new number
   * @throws `invalid_input` when the value is not a number or the sum is beyond a double, `quota_exceeded`
   * @example
   * ```ts
   * const visits = await streamspace.storage.increment('visits');
   * ```
   */
  increment(key: string, by?: number): Promise<number>;
}

interface Found {
  readonly entry: { readonly value: unknown; readonly version: number } | null;
}

/** Internals of the guest, passed in by the prelude. */
export interface StorageParts {
  /** The calls that few plugins make, evaluated at the first of them. */
  many(): typeof part;
  readonly bind: part.StorageEnv['bind'];
}

export function createStorage(host: GuestHost, { many, bind }: StorageParts): StorageApi {
  const { apply } = Reflect;
  const { create, defineProperty } = Object;
  const { isArray } = Array;
  const env = { apply, create, defineProperty, isArray, Map, mapSet: Map.prototype.set, TypeError, bind };
  let made: part.StorageMany | undefined;
  const more = (): part.StorageMany => {
    made ??= many().createMany(host, env);
    return made;
  };
  const find = (key: string): Promise<Found> => host.call<Found>('storage.get', { key });

  return {
    async get<T>(key: string) {
      const { entry } = await find(key);
      return entry === null ? null : (entry.value as T);
    },
    async getEntry<T>(key: string) {
      const { entry } = await find(key);
      return entry === null ? null : { key, value: entry.value as T, version: entry.version };
    },
    async set(key, value, options = {}) {
      assertJson(value, 'value');
      assertJson(options, 'options');
      // Not without `await`: a promise that is returned is asked for its `then`, which the guest may have patched.
      return await host.call('storage.set', { key, value, ttl: options.ttl, ifVersion: options.ifVersion });
    },
    async delete(key, options = {}) {
      assertJson(options, 'options');
      const { deleted } = await host.call<{ deleted: boolean }>('storage.delete', { key, ...options });
      return deleted;
    },
    async list<T>(options: ListOptions = {}) {
      assertJson(options, 'options');
      return await host.call<StoragePage<T>>('storage.list', options);
    },
    getMany: async <T>(keys: readonly string[]) => await more().getMany<T>(keys),
    getEntries: async <T>(keys: readonly string[]) => await more().getEntries<T>(keys),
    setMany: async (entries) => await more().setMany(entries),
    deleteMany: async (which) => await more().deleteMany(which),
    update: async (key, change, options) => await more().update(key, change, options),
    async increment(key, by = 1) {
      assertJson(by, 'by');
      const { value } = await host.call<{ value: number }>('storage.increment', { key, by });
      return value;
    },
  };
}
