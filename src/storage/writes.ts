import { CodedError } from '../../sandbox-apis/_kit/errors.ts';
import type { StorageStore, Write } from '../../sandbox-apis/storage/broker.ts';
import { STORAGE_LIMITS } from '../../sandbox-apis/storage/limits.ts';
import { type Db, runPrepared } from '../db/client.ts';
import { byKey, createGather } from './gather.ts';
import type { QuotaRows } from './quota-rows.ts';
import { guarded } from './refusals.ts';
import { addMany, putMany, removeMany, removeOne, removePrefix, replaceOne, selectOne } from './statements.ts';

type Writes = Pick<StorageStore, 'set' | 'setMany' | 'delete' | 'deleteMany' | 'deletePrefix' | 'increment'>;

/** Characters of JSON of one statement: a large one holds up the small ones that wait for it. */
const PUT_CHARS = 1024 * 1024;
/** What is added is summed up before it is sent, which must not lose a digit. */
const SUMMABLE = Number.MAX_SAFE_INTEGER / STORAGE_LIMITS.keysAtOnce;

/** A write of several whose version was another: rolls the others back. */
class Lost extends Error {
  readonly write: Write;
  constructor(write: Write) {
    super('another version');
    this.write = write;
  }
}

/** The writing half of the store. */
export function createWrites(db: Db, quotas: QuotaRows): Writes {
  const write = <T>(plugin: string, work: () => Promise<T>): Promise<T> => guarded(db, quotas, plugin, work);

  async function conflict(plugin: string, key: string, expected: number): Promise<CodedError> {
    const { rows } = await selectOne(plugin, key).execute(db);
    const current = rows[0]?.version ?? 0;
    const now = current === 0 ? 'it does not exist' : `it is at version ${current}`;
    const wanted = expected === 0 ? 'was not to exist' : `was to be at version ${expected}`;
    return new CodedError('version_conflict', `key "${key}" ${wanted}; ${now}`, { key, current });
  }

  /** Puts keys that have no version, or 0; answers those that were put. */
  async function put(plugin: string, writes: readonly Write[]): Promise<Map<string, number>> {
    const rows = await write(plugin, () => runPrepared(db, 'storage.put', putMany(plugin, writes)));
    return new Map(rows.map(({ key, version }) => [key, version]));
  }

  /**
   * One statement at a time: the row of the plugin's usage is locked until a write is on the disk, so that writes side by
   * side would only wait for each other.
   */
  const putGathered = createGather<Write, number>({
    atOnce: 1,
    most: STORAGE_LIMITS.keysAtOnce,
    async run(plugin, asked) {
      for (const batch of batches(asked, ({ ask }) => ask)) {
        let versions: Map<string, number>;
        try {
          versions = await put(
            plugin,
            batch.map(({ ask }) => ask),
          );
        } catch (error) {
          if (!(error instanceof CodedError)) throw error;
          // The database refused one of them, and did none.
          for (const one of batch) {
            await put(plugin, [one.ask]).then((only) => settle(one, only), one.reject);
          }
          continue;
        }
        for (const one of batch) await settle(one, versions);
      }

      async function settle({ ask, resolve, reject }: (typeof asked)[number], versions: ReadonlyMap<string, number>) {
        const version = versions.get(ask.key);
        if (version === undefined) reject(await conflict(plugin, ask.key, 0));
        else resolve(version);
      }
    },
  });

  async function add(plugin: string, sums: ReadonlyMap<string, number>): Promise<Map<string, number>> {
    const statement = addMany(plugin, [...sums.keys()], [...sums.values()]);
    const rows = await write(plugin, () => runPrepared(db, 'storage.add', statement));
    return new Map(rows.map(({ key, value }) => [key, value]));
  }

  async function addOne(plugin: string, key: string, by: number): Promise<number> {
    const value = (await add(plugin, new Map([[key, by]]))).get(key);
    if (value === undefined) throw notANumber(key);
    return value;
  }

  /** One statement at a time: those that come meanwhile are one more, however many they are. */
  const addGathered = createGather<{ readonly key: string; readonly by: number }, number>({
    atOnce: 1,
    most: STORAGE_LIMITS.keysAtOnce,
    async run(plugin, asked) {
      const wanted = byKey(asked, ({ ask }) => ask.key);
      const sums = new Map([...wanted].map(([key, all]) => [key, all.reduce((sum, { ask }) => sum + ask.by, 0)]));
      let values: Map<string, number>;
      try {
        values = await add(plugin, sums);
      } catch (error) {
        if (!(error instanceof CodedError) || asked.length === 1) throw error;
        // The database refused one of them, and did none.
        for (const { ask, resolve, reject } of asked) await addOne(plugin, ask.key, ask.by).then(resolve, reject);
        return;
      }
      for (const [key, all] of wanted) {
        let value = values.get(key);
        for (const { ask, resolve, reject } of all.toReversed()) {
          if (value === undefined) reject(notANumber(key));
          else resolve(value);
          value = value === undefined ? undefined : value - ask.by;
        }
      }
    },
  });

  return {
    async set(plugin, key, json, options) {
      const { ifVersion = 0 } = options;
      // A version above 0 must be there to be replaced.
      if (ifVersion === 0) return putGathered(plugin, { key, json, ...options });
      const { rows } = await write(plugin, () => replaceOne(plugin, key, json, options).execute(db));
      const row = rows[0];
      if (row === undefined) throw await conflict(plugin, key, ifVersion);
      return row.version;
    },

    async setMany(plugin, writes) {
      const statement = putMany(plugin, writes);
      const versioned = writes.filter(({ ifVersion }) => ifVersion !== undefined);
      const putAll = async (on: Db) => {
        const { rows } = await statement.execute(on);
        const written = new Map(rows.map((row) => [row.key, row]));
        for (const one of versioned) {
          const row = written.get(one.key);
          if (row === undefined || (row.made && one.ifVersion !== 0)) throw new Lost(one);
        }
        return writes.map(({ key }) => written.get(key)?.version ?? 0);
      };
      try {
        return await write(plugin, () => (versioned.length === 0 ? putAll(db) : db.transaction().execute(putAll)));
      } catch (error) {
        if (error instanceof Lost) throw await conflict(plugin, error.write.key, error.write.ifVersion ?? 0);
        throw error;
      }
    },

    async delete(plugin, key, ifVersion) {
      const { rows } = await removeOne(plugin, key, ifVersion).execute(db);
      if (rows[0] === undefined && ifVersion !== undefined) throw await conflict(plugin, key, ifVersion);
      return rows[0]?.live ?? false;
    },

    async deleteMany(plugin, keys) {
      const { rows } = await removeMany(plugin, keys).execute(db);
      return rows.filter(({ live }) => live).length;
    },

    async deletePrefix(plugin, { prefix, after, limit }) {
      const { rows } = await removePrefix(plugin, prefix, after, limit).execute(db);
      const deleted = rows.filter(({ live }) => live).length;
      if (rows.length < limit) return { deleted, last: null };
      return { deleted, last: rows.reduce((last, { key }) => (byteOrder(key, last) > 0 ? key : last), '') };
    },

    increment: (plugin, key, by) =>
      Number.isInteger(by) && Math.abs(by) <= SUMMABLE ? addGathered(plugin, { key, by }) : addOne(plugin, key, by),
  };
}

/** In the order in which they came; each key once in a batch. */
function* batches<One>(all: readonly One[], writeOf: (one: One) => Write): Generator<One[]> {
  let batch = new Map<string, One>();
  let chars = 0;
  for (const one of all) {
    const { key, json } = writeOf(one);
    if (batch.size > 0 && (batch.has(key) || chars + json.length > PUT_CHARS)) {
      yield [...batch.values()];
      batch = new Map();
      chars = 0;
    }
    batch.set(key, one);
    chars += json.length;
  }
  if (batch.size > 0) yield [...batch.values()];
}

function byteOrder(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

function notANumber(key: string): CodedError {
  return new CodedError('invalid_input', `key "${key}" holds a value that is not a number`);
}
