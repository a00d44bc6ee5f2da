import { sql } from 'kysely';
import { CodedError } from '../../sandbox-apis/_kit/errors.ts';
import type { StorageStore, StoredEntry, StoredValue } from '../../sandbox-apis/storage/broker.ts';
import { DEFAULT_STORAGE_QUOTA, type StorageQuota } from '../../sandbox-apis/storage/limits.ts';
import type { Db, Trx } from '../db/client.ts';
import { endOfPrefix } from './key-range.ts';
import { guarded } from './refusals.ts';
import { sweepExpired } from './sweep.ts';

export interface StorageUsage extends StorageQuota {
  readonly maxBytes: number;
  readonly maxKeys: number;
}

export interface Store extends StorageStore {
  /** What the plugin's rows add up to, expired ones that were not swept yet included, and its quota. */
  usage(plugin: string): Promise<StorageUsage>;
  /** Removes everything that the plugin stored, and its quota; its isolates should be gone by then. */
  dropPlugin(plugin: string, on?: Db | Trx): Promise<void>;
  /** Removes expired rows and answers how many; call it every minute or so. Cores that sweep together do not collide. */
  sweep(): Promise<number>;
}

/** Bytes of JSON around an entry of a page: `{"key":,"value":,"version":},` and a version of 16 digits. */
const ENTRY_BYTES = 48;

/** A plugin whose isolates are gone writes no more; at most what it sent before still comes. */
const DROP_TRIES = 20;

const live = sql`(s.expires_at is null or s.expires_at > now())`;

/**
 * Key-value storage of the plugins in Postgres; each call is one statement, so that concurrent ones cannot mix.
 *
 * @param quotaOf what a plugin may store at the moment; what is over it stays, but grows no more
 */
export function createStore(db: Db, quotaOf: (plugin: string) => StorageQuota = () => DEFAULT_STORAGE_QUOTA): Store {
  /** The quota that the row of a plugin has, as far as this process knows. */
  const written = new Map<string, StorageQuota>();
  /** The usage row has to be there before the triggers charge it. */
  const quotaRow = (plugin: string, quota: StorageQuota) => sql`
    insert into plugin_storage_usage (plugin_name, max_bytes, max_keys) values (${plugin}, ${quota.bytes}, ${quota.keys})`;
  const withQuotaRow = (plugin: string) =>
    sql`with quota as (${quotaRow(plugin, quotaOf(plugin))} on conflict (plugin_name) do nothing)`;

  /** Writes the quota to the row when it is another than last time: the triggers know no other. */
  async function keepQuota(plugin: string): Promise<void> {
    const quota = quotaOf(plugin);
    const last = written.get(plugin);
    if (last?.bytes === quota.bytes && last.keys === quota.keys) return;
    await sql`${quotaRow(plugin, quota)}
      on conflict (plugin_name) do update set max_bytes = excluded.max_bytes, max_keys = excluded.max_keys`.execute(db);
    written.set(plugin, quota);
  }

  async function conflict(plugin: string, key: string, expected: number): Promise<CodedError> {
    const current = (await get(plugin, key))?.version ?? 0;
    const now = current === 0 ? 'it does not exist' : `it is at version ${current}`;
    const wanted = expected === 0 ? 'was not to exist' : `was to be at version ${expected}`;
    return new CodedError('version_conflict', `key "${key}" ${wanted}; ${now}`, { current });
  }

  async function get(plugin: string, key: string): Promise<StoredValue | null> {
    const { rows } = await sql<StoredValue>`
      select value, version from plugin_storage s where plugin_name = ${plugin} and key = ${key} and ${live}`.execute(
      db,
    );
    return rows[0] ?? null;
  }

  const usageOf = (plugin: string, on: Db | Trx = db) =>
    on
      .selectFrom('plugin_storage_usage')
      .select(['bytes', 'keys'])
      .where('plugin_name', '=', plugin)
      .executeTakeFirst();

  return {
    get,

    async set(plugin, key, json, { ttlSeconds, ifVersion }) {
      const value = sql`${json}::jsonb`;
      const expiry = sql`now() + ${ttlSeconds ?? null}::float8 * interval '1 second'`;
      // A version above 0 must be there to be replaced; 0 may only replace what has expired.
      const statement =
        ifVersion !== undefined && ifVersion > 0
          ? sql<{ version: number }>`
              update plugin_storage s
              set value = ${value}, expires_at = ${expiry}, version = nextval('plugin_storage_version')
              where plugin_name = ${plugin} and key = ${key} and version = ${ifVersion} and ${live}
              returning version`
          : sql<{ version: number }>`
              ${withQuotaRow(plugin)}
              insert into plugin_storage as s (plugin_name, key, value, expires_at)
              values (${plugin}, ${key}, ${value}, ${expiry})
              on conflict (plugin_name, key) do update
              set value = excluded.value, expires_at = excluded.expires_at, version = nextval('plugin_storage_version')
              where ${ifVersion === undefined} or not ${live}
              returning version`;
      await keepQuota(plugin);
      const { rows } = await guarded(db, plugin, quotaOf, () => statement.execute(db));
      const row = rows[0];
      if (row === undefined) throw await conflict(plugin, key, ifVersion ?? 0);
      return row.version;
    },

    async delete(plugin, key, ifVersion) {
      const version = ifVersion === undefined ? sql`true` : sql`version = ${ifVersion} and ${live}`;
      const { rows } = await sql<{ live: boolean }>`
        delete from plugin_storage s where plugin_name = ${plugin} and key = ${key} and ${version}
        returning ${live} as live`.execute(db);
      if (rows[0] === undefined && ifVersion !== undefined) throw await conflict(plugin, key, ifVersion);
      return rows[0]?.live ?? false;
    },

    async list(plugin, { prefix, after, limit, bytes }) {
      const end = endOfPrefix(prefix);
      const from = after === null ? sql`key >= ${prefix}` : sql`key >= ${prefix} and key > ${after}`;
      const to = end === null ? sql`true` : sql`key < ${end}`;
      // The values are read only of the rows that the page has room for; the first one always fits.
      const { rows } = await sql<StoredEntry & { found: number }>`
        with found as (
          select key, size_bytes + octet_length(to_json(key)::text) + ${ENTRY_BYTES}::int as cost
          from plugin_storage s where plugin_name = ${plugin} and ${from} and ${to} and ${live}
          order by key limit ${limit + 1}
        ), sized as (
          select key, row_number() over (order by key) as nth, sum(cost) over (order by key) as total,
            count(*) over () as found
          from found
        )
        select s.key, s.value, s.version, sized.found
        from sized join plugin_storage s on s.plugin_name = ${plugin} and s.key = sized.key
        where sized.nth <= ${limit} and (sized.nth = 1 or sized.total <= ${bytes})
        order by s.key`.execute(db);
      const entries = rows.map(({ key, value, version }) => ({ key, value, version }));
      return { entries, more: (rows[0]?.found ?? 0) > entries.length };
    },

    async increment(plugin, key, by) {
      await keepQuota(plugin);
      const { rows } = await guarded(db, plugin, quotaOf, () =>
        sql<{ value: number }>`
          ${withQuotaRow(plugin)}
          insert into plugin_storage as s (plugin_name, key, value)
          values (${plugin}, ${key}, to_jsonb(${by}::float8))
          on conflict (plugin_name, key) do update
          set value = case when ${live} then to_jsonb((s.value #>> '{}')::float8 + ${by}::float8) else excluded.value end,
            expires_at = case when ${live} then s.expires_at end,
            version = nextval('plugin_storage_version')
          where jsonb_typeof(s.value) = 'number' or not ${live}
          returning (value #>> '{}')::float8 as value`.execute(db),
      );
      const row = rows[0];
      if (row === undefined) throw new CodedError('invalid_input', `key "${key}" holds a value that is not a number`);
      return row.value;
    },

    async usage(plugin) {
      const { bytes, keys } = (await usageOf(plugin)) ?? { bytes: 0, keys: 0 };
      const quota = quotaOf(plugin);
      return { bytes, keys, maxBytes: quota.bytes, maxKeys: quota.keys };
    },

    async dropPlugin(plugin, on = db) {
      written.delete(plugin);
      // A write that comes in between leaves its row and its count: then once more, until the quota row can go too.
      const gone = async (): Promise<boolean> => {
        await on.deleteFrom('plugin_storage').where('plugin_name', '=', plugin).execute();
        await on.deleteFrom('plugin_storage_usage').where('plugin_name', '=', plugin).where('keys', '=', 0).execute();
        return (await usageOf(plugin, on)) === undefined;
      };
      for (let tries = 0; tries < DROP_TRIES; tries += 1) if (await gone()) return;
      throw new Error(`storage of "${plugin}" cannot be dropped while it is written to`);
    },

    sweep: () => sweepExpired(db),
  };
}
