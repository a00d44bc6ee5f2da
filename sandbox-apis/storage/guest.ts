import type { GuestHost } from '../_kit/guest.ts';
import { assertJson } from '../_kit/json.ts';

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

export interface ListOptions {
  /** Only keys that begin with it. */
  readonly prefix?: string;
  /** The `cursor` of the page before. */
  readonly cursor?: string;
  /** Entries of a page, 1 to 1000; 100 when not said. A page also ends before 1 MB. */
  readonly limit?: number;
}

export interface StoragePage<T = unknown> {
  /** In the order of the keys' UTF-8 bytes. */
  readonly entries: StorageEntry<T>[];
  /** Pass it to read on; absent on the last page. */
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
   * Removes `key`; with `ifVersion` only if that is still its version.
   * @returns whether it was there
   * @throws `version_conflict`
   */
  delete(key: string, options?: { readonly ifVersion?: number }): Promise<boolean>;
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

export function createStorage(host: GuestHost): StorageApi {
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
    async increment(key, by = 1) {
      assertJson(by, 'by');
      const { value } = await host.call<{ value: number }>('storage.increment', { key, by });
      return value;
    },
  };
}
