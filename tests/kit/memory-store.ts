import { CodedError } from '../../sandbox-apis/_kit/errors.ts';
import type { StorageStore } from '../../sandbox-apis/storage/broker.ts';

/** Key-value storage in memory: no quota, no expiry. */
export function memoryStore(): StorageStore {
  const rows = new Map<string, { plugin: string; key: string; json: string; version: number }>();
  let lastVersion = 0;
  const at = (plugin: string, key: string) => rows.get(JSON.stringify([plugin, key]));
  const put = (plugin: string, key: string, json: string): number => {
    lastVersion += 1;
    rows.set(JSON.stringify([plugin, key]), { plugin, key, json, version: lastVersion });
    return lastVersion;
  };
  return {
    async get(plugin, key) {
      const row = at(plugin, key);
      return row === undefined ? null : { value: JSON.parse(row.json), version: row.version };
    },
    async set(plugin, key, json) {
      return put(plugin, key, json);
    },
    async delete(plugin, key) {
      return rows.delete(JSON.stringify([plugin, key]));
    },
    async list(plugin, { prefix, after, limit }) {
      const found = [...rows.values()]
        .filter((row) => row.plugin === plugin && row.key.startsWith(prefix) && (after === null || row.key > after))
        .sort((a, b) => (a.key < b.key ? -1 : 1));
      const entries = found
        .slice(0, limit)
        .map(({ key, json, version }) => ({ key, value: JSON.parse(json), version }));
      return { entries, more: found.length > limit };
    },
    async increment(plugin, key, by) {
      const before: unknown = JSON.parse(at(plugin, key)?.json ?? '0');
      if (typeof before !== 'number') throw new CodedError('invalid_input', `key "${key}" does not hold a number`);
      put(plugin, key, JSON.stringify(before + by));
      return before + by;
    },
  };
}
