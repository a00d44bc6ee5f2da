import { CodedError } from '../../sandbox-apis/_kit/errors.ts';
import type { StorageStore } from '../../sandbox-apis/storage/broker.ts';

interface Row {
  readonly plugin: string;
  readonly key: string;
  readonly json: string;
  readonly version: number;
}

/** Key-value storage in memory: no quota, no expiry, no versions that are asked for. */
export function memoryStore(): StorageStore {
  const rows = new Map<string, Row>();
  let lastVersion = 0;
  const at = (plugin: string, key: string) => rows.get(JSON.stringify([plugin, key]));
  const put = (plugin: string, key: string, json: string): number => {
    lastVersion += 1;
    rows.set(JSON.stringify([plugin, key]), { plugin, key, json, version: lastVersion });
    return lastVersion;
  };
  const drop = (plugin: string, key: string): boolean => rows.delete(JSON.stringify([plugin, key]));
  const entryOf = ({ key, json, version }: Row) => ({ key, value: JSON.parse(json), version });
  const within = (plugin: string, prefix: string): Row[] =>
    [...rows.values()]
      .filter((row) => row.plugin === plugin && row.key.startsWith(prefix))
      .sort((a, b) => (a.key < b.key ? -1 : 1));
  return {
    async get(plugin, key) {
      const row = at(plugin, key);
      return row === undefined ? null : { value: JSON.parse(row.json), version: row.version };
    },
    async getMany(plugin, keys) {
      const found = keys.flatMap((key) => at(plugin, key) ?? []);
      return { entries: found.map(entryOf), done: keys.length };
    },
    async set(plugin, key, json) {
      return put(plugin, key, json);
    },
    async setMany(plugin, writes) {
      return writes.map(({ key, json }) => put(plugin, key, json));
    },
    async delete(plugin, key) {
      return drop(plugin, key);
    },
    async deleteMany(plugin, keys) {
      return keys.filter((key) => drop(plugin, key)).length;
    },
    async deletePrefix(plugin, { prefix }) {
      return { deleted: within(plugin, prefix).filter(({ key }) => drop(plugin, key)).length, last: null };
    },
    async list(plugin, { prefix, after, limit, values, reverse }) {
      const all = within(plugin, prefix);
      const ordered = (reverse ? all.toReversed() : all).filter(
        ({ key }) => after === null || (reverse ? key < after : key > after),
      );
      const entries = ordered
        .slice(0, limit)
        .map((row) => (values ? entryOf(row) : { key: row.key, version: row.version }));
      return { entries, more: ordered.length > limit };
    },
    async increment(plugin, key, by) {
      const before: unknown = JSON.parse(at(plugin, key)?.json ?? '0');
      if (typeof before !== 'number') throw new CodedError('invalid_input', `key "${key}" does not hold a number`);
      put(plugin, key, JSON.stringify(before + by));
      return before + by;
    },
  };
}
