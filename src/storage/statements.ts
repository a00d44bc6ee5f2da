import { type RawBuilder, sql } from 'kysely';
import type { Page, StoredEntry, StoredValue, Write, WriteOptions } from '../../sandbox-apis/storage/broker.ts';
import { endOfPrefix } from './key-range.ts';

/*
 * The statements of plugin_storage. Whatever touches several rows does so in the order of their keys, and the triggers lock
 * the plugin's usage row after all of them: so no two writers ever wait for each other in a circle.
 */

/** Bytes of JSON around an entry: `{"key":,"value":,"version":},` and a version of 16 digits. */
const ENTRY_BYTES = 48;

/** What is not live is absent to every reader. */
export const live = sql<boolean>`(s.expires_at is null or s.expires_at > now())`;
const keyCost = sql`octet_length(to_json(s.key)::text) + ${ENTRY_BYTES}::int`;
const nextVersion = sql`nextval('plugin_storage_version')`;
const expiryOf = (seconds: RawBuilder<unknown>) => sql`now() + ${seconds}::float8 * interval '1 second'`;

/** A key within a prefix. The bounds are conditions of the primary key's index. */
export function within(prefix: string): RawBuilder<boolean> {
  const end = endOfPrefix(prefix);
  return end === null ? sql`s.key >= ${prefix}` : sql`s.key >= ${prefix} and s.key < ${end}`;
}

export function selectOne(plugin: string, key: string) {
  return sql<StoredValue>`
    select value, version from plugin_storage s where plugin_name = ${plugin} and key = ${key} and ${live}`;
}

/** The rows of those keys that are there, as they were asked for; where the bytes end, rows come without their values. */
export function selectMany(plugin: string, keys: readonly string[], bytes: number) {
  return sql<StoredEntry & { nth: number; fits: boolean }>`
    with found as (
      select asked.nth, s.key, s.value, s.version,
        row_number() over w = 1 or sum(s.size_bytes + ${keyCost}) over w <= ${bytes} as fits
      from unnest(${keys}::text[]) with ordinality as asked (key, nth)
      join plugin_storage s on s.plugin_name = ${plugin} and s.key = asked.key
      where ${live}
      window w as (order by asked.nth)
    )
    select key, version, nth, fits, case when fits then value end as value from found order by nth`;
}

export function selectPage(plugin: string, { prefix, after, limit, bytes, values, reverse }: Page) {
  const beyond = after === null ? sql`true` : reverse ? sql`s.key < ${after}` : sql`s.key > ${after}`;
  const direction = reverse ? sql`desc` : sql`asc`;
  // The value is read only of the rows that the page has room for.
  return sql<StoredEntry & { found: number }>`
    with found as (
      select key, version, ${values ? sql`value, size_bytes` : sql`null::jsonb as value, 0 as size_bytes`}
      from plugin_storage s where plugin_name = ${plugin} and ${within(prefix)} and ${beyond} and ${live}
      order by key ${direction} limit ${limit + 1}
    ), sized as (
      select s.*, row_number() over w as nth, sum(size_bytes + ${keyCost}) over w as total, count(*) over () as found
      from found s window w as (order by key ${direction})
    )
    select key, value, version, found from sized
    where nth <= ${limit} and (nth = 1 or total <= ${bytes}) order by nth`;
}

/** Over that version alone; it has to be there. */
export function replaceOne(plugin: string, key: string, json: string, { ttlSeconds, ifVersion }: WriteOptions) {
  return sql<{ version: number }>`
    update plugin_storage s
    set value = ${json}::jsonb, expires_at = ${expiryOf(sql`${ttlSeconds ?? null}`)}, version = ${nextVersion}
    where plugin_name = ${plugin} and key = ${key} and version = ${ifVersion} and ${live}
    returning version`;
}

/**
 * One key or several in one pass. A key that is not at the version that it was to have is left out of what is returned, or
 * returned as `made` though it was to exist: whoever gave versions looks at both, and rolls back.
 */
export function putMany(plugin: string, writes: readonly Write[]) {
  const wanted = writes.flatMap(({ key, ifVersion }) => (ifVersion === undefined ? [] : [[key, ifVersion] as const]));
  const expected = sql`(${JSON.stringify(Object.fromEntries(wanted))}::jsonb ->> s.key)::bigint`;
  return sql<{ key: string; version: number; made: boolean }>`
    insert into plugin_storage as s (plugin_name, key, value, expires_at)
    select ${plugin}, put.key, put.value::jsonb, ${expiryOf(sql`put.ttl`)}
    from unnest(${writes.map(({ key }) => key)}::text[], ${writes.map(({ json }) => json)}::text[],
      ${writes.map(({ ttlSeconds }) => ttlSeconds ?? null)}::float8[]) as put (key, value, ttl)
    order by put.key collate "C"
    on conflict (plugin_name, key) do update
    set value = excluded.value, expires_at = excluded.expires_at, version = ${nextVersion}
    where case when ${expected} is null then true when ${live} then s.version = ${expected} else ${expected} = 0 end
    returning key, version, xmax = 0 as made`;
}

/** Adds to several keys; what holds something else than a number is left out of what is returned. */
export function addMany(plugin: string, keys: readonly string[], by: readonly number[]) {
  const sum = sql`to_jsonb((s.value #>> '{}')::float8 + (excluded.value #>> '{}')::float8)`;
  return sql<{ key: string; value: number }>`
    insert into plugin_storage as s (plugin_name, key, value)
    select ${plugin}, added.key, to_jsonb(added.by)
    from unnest(${keys}::text[], ${by}::float8[]) as added (key, by)
    order by added.key collate "C"
    on conflict (plugin_name, key) do update
    set value = case when ${live} then ${sum} else excluded.value end,
      expires_at = case when ${live} then s.expires_at end,
      version = ${nextVersion}
    where jsonb_typeof(s.value) = 'number' or not ${live}
    returning key, (value #>> '{}')::float8 as value`;
}

export function removeOne(plugin: string, key: string, ifVersion: number | undefined) {
  const version = ifVersion === undefined ? sql`true` : sql`version = ${ifVersion} and ${live}`;
  return sql<{ live: boolean }>`
    delete from plugin_storage s where plugin_name = ${plugin} and key = ${key} and ${version}
    returning ${live} as live`;
}

export function removeMany(plugin: string, keys: readonly string[]) {
  return removeLocked(plugin, sql`s.key = any(${keys}::text[]) order by key`);
}

/** The next keys that begin with the prefix. */
export function removePrefix(plugin: string, prefix: string, after: string | null, limit: number) {
  const beyond = after === null ? sql`true` : sql`s.key > ${after}`;
  return removeLocked(plugin, sql`${within(prefix)} and ${beyond} order by key limit ${limit}`);
}

function removeLocked(plugin: string, which: RawBuilder<unknown>) {
  return sql<{ key: string; live: boolean }>`
    with locked as materialized (
      select key from plugin_storage s where plugin_name = ${plugin} and ${which} for update
    )
    delete from plugin_storage s using locked where s.plugin_name = ${plugin} and s.key = locked.key
    returning s.key, ${live} as live`;
}
