import type { StorageStore, StoredValue } from '../../sandbox-apis/storage/broker.ts';
import { STORAGE_LIMITS } from '../../sandbox-apis/storage/limits.ts';
import { type Db, runPrepared } from '../db/client.ts';
import { byKey, createGather } from './gather.ts';
import { selectMany, selectOne, selectPage } from './statements.ts';

/** Statements of one plugin's gathered reads at a time: the next are collected meanwhile. */
const STATEMENTS = 2;

/** The reading half of the store. */
export function createReads(db: Db): Pick<StorageStore, 'get' | 'getMany' | 'list'> {
  async function getMany(plugin: string, keys: readonly string[], bytes: number) {
    const rows = await runPrepared(db, 'storage.getMany', selectMany(plugin, keys, bytes));
    const left = rows.findIndex(({ fits }) => !fits);
    const entries = (left === -1 ? rows : rows.slice(0, left)).map(({ key, value, version }) => ({
      key,
      value,
      version,
    }));
    return { entries, done: left === -1 ? keys.length : (rows[left]?.nth ?? 1) - 1 };
  }

  const get = createGather<string, StoredValue | null>({
    atOnce: STATEMENTS,
    most: STORAGE_LIMITS.keysAtOnce,
    async run(plugin, asked) {
      const wanted = byKey(asked, ({ ask }) => ask);
      const settle = (key: string, found: StoredValue | null): void => {
        for (const { resolve } of wanted.get(key) ?? []) resolve(found);
      };
      let keys = [...wanted.keys()];
      if (keys.length === 1) {
        const [key = ''] = keys;
        const [found = null] = await runPrepared(db, 'storage.get', selectOne(plugin, key));
        settle(key, found);
        return;
      }
      while (keys.length > 0) {
        const { entries, done } = await getMany(plugin, keys, STORAGE_LIMITS.pageBytes);
        for (const { key, value, version } of entries) settle(key, { value, version });
        // Those that were found are settled already.
        for (const key of keys.slice(0, done)) settle(key, null);
        keys = keys.slice(done);
      }
    },
  });

  return {
    get,
    getMany,
    async list(plugin, page) {
      const { rows } = await selectPage(plugin, page).execute(db);
      const entries = rows.map(({ key, value, version }) => (page.values ? { key, value, version } : { key, version }));
      return { entries, more: (rows[0]?.found ?? 0) > entries.length };
    },
  };
}
