import type { GuestHost } from '../_kit/guest.ts';
import { assertJson } from '../_kit/json.ts';
import type { StorageApi, StorageEntry, StorageWrite } from './guest.ts';

/** What is used of the language, as it was before any plugin code: this part is evaluated later. */
export interface StorageEnv {
  readonly apply: typeof Reflect.apply;
  readonly create: typeof Object.create;
  readonly defineProperty: typeof Object.defineProperty;
  readonly isArray: typeof Array.isArray;
  readonly Map: typeof Map;
  readonly mapSet: typeof Map.prototype.set;
  readonly TypeError: typeof TypeError;
  /** Binds a function of the plugin to the context that it was given in. */
  bind<T extends (...args: never[]) => unknown>(callback: T): T;
}

export type StorageMany = Pick<StorageApi, 'getMany' | 'getEntries' | 'setMany' | 'deleteMany' | 'update'>;

type Change<T> = (value: T | null) => T | undefined | Promise<T | undefined>;

interface Found<T> {
  readonly entries: readonly StorageEntry<T>[];
  readonly done: number;
}

/** Times that `update` begins: within an isolate updates of a key take turns, so each conflict is a writer elsewhere. */
const TRIES = 20;

/** The calls of `storage` that few plugins make, as a part of the prelude by itself. */
export function createMany(host: GuestHost, env: StorageEnv): StorageMany {
  const { apply, create, defineProperty, isArray, mapSet } = env;

  /** Also where somebody put a setter on the prototype of arrays. */
  function append<T>(list: T[], value: T): void {
    const own = { __proto__: null, value, writable: true, enumerable: true, configurable: true };
    defineProperty(list, list.length, own as PropertyDescriptor);
  }

  function assertList(value: unknown, at: string): void {
    if (isArray(value)) {
      assertJson(value, at);
      return;
    }
    const error = new env.TypeError(`${at}: has to be an array`) as TypeError & { code: string };
    error.code = 'invalid_input';
    throw error;
  }

  /** Each key once; a copy, since the plugin may change its list meanwhile. */
  function distinct(keys: readonly string[]): string[] {
    assertList(keys, 'keys');
    const seen: Record<string, true> = create(null);
    const once: string[] = [];
    for (let at = 0; at < keys.length; at += 1) {
      const key = keys[at] as string;
      if (seen[key] !== true) append(once, key);
      seen[key] = true;
    }
    return once;
  }

  /** One answer has room for a megabyte: what it left is asked for again. */
  async function readAll<T>(keys: readonly string[], take: (entry: StorageEntry<T>) => void): Promise<void> {
    let left = distinct(keys);
    while (left.length > 0) {
      const { entries, done } = await host.call<Found<T>>('storage.getMany', { keys: left });
      for (let at = 0; at < entries.length; at += 1) take(entries[at] as StorageEntry<T>);
      const rest: string[] = [];
      for (let at = done; at < left.length; at += 1) append(rest, left[at] as string);
      left = rest;
    }
  }

  /** The update under way of each key, or the last of those that wait. */
  const turns: Record<string, Promise<unknown>> = create(null);

  async function updateAfter<T>(
    before: Promise<unknown> | undefined,
    key: string,
    change: Change<T>,
    ttl: number | undefined,
  ): Promise<T | null> {
    try {
      await before;
    } catch {
      // It was told to who asked for it.
    }
    for (let tries = 1; ; tries += 1) {
      const { entry } = await host.call<{ entry: { value: T; version: number } | null }>('storage.get', { key });
      const value = await change(entry === null ? null : entry.value);
      if (value === undefined) return entry === null ? null : entry.value;
      assertJson(value, 'value');
      try {
        await host.call('storage.set', { key, value, ttl, ifVersion: entry === null ? 0 : entry.version });
        return value;
      } catch (error) {
        if (tries === TRIES || (error as { code?: unknown }).code !== 'version_conflict') throw error;
      }
    }
  }

  return {
    async getMany<T>(keys: readonly string[]) {
      const found = new env.Map<string, T>();
      await readAll<T>(keys, ({ key, value }) => apply(mapSet, found, [key, value]));
      return found;
    },
    async getEntries<T>(keys: readonly string[]) {
      const found = new env.Map<string, StorageEntry<T>>();
      await readAll<T>(keys, (entry) => apply(mapSet, found, [entry.key, entry]));
      return found;
    },
    async setMany(entries) {
      assertList(entries, 'entries');
      const written = new env.Map<string, number>();
      const writes: StorageWrite[] = [];
      for (let at = 0; at < entries.length; at += 1) {
        const { key, value, ttl, ifVersion } = entries[at] as StorageWrite;
        // As JSON has it, it would not be there.
        if (value === undefined) assertJson(value, `entries/${at}/value`);
        append(writes, { key, value, ttl, ifVersion } as StorageWrite);
      }
      if (writes.length === 0) return written;
      const { versions } = await host.call<{ versions: number[] }>('storage.setMany', { entries: writes });
      for (let at = 0; at < versions.length; at += 1) {
        apply(mapSet, written, [(writes[at] as StorageWrite).key, versions[at]]);
      }
      return written;
    },
    async deleteMany(which) {
      if (isArray(which)) {
        const keys = distinct(which as readonly string[]);
        if (keys.length === 0) return 0;
        return (await host.call<{ deleted: number }>('storage.deleteMany', { keys })).deleted;
      }
      const { prefix } = which as { readonly prefix: string };
      let removed = 0;
      let cursor: string | undefined;
      do {
        const step = await host.call<{ deleted: number; cursor?: string }>('storage.deletePrefix', { prefix, cursor });
        removed += step.deleted;
        cursor = step.cursor;
      } while (cursor !== undefined);
      return removed;
    },
    async update(key, change, options = {}) {
      const turn = updateAfter(turns[key], key, env.bind(change), options.ttl);
      turns[key] = turn;
      try {
        return await turn;
      } finally {
        if (turns[key] === turn) delete turns[key];
      }
    },
  };
}
