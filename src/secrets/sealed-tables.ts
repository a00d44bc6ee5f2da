import { sql } from 'kysely';
import type { Db, Trx } from '../db/client.ts';
import type { SealedValue, SecretPlace } from './envelope.ts';

/**
 * A table with sealed values: each row has `sealed bytea` and `key_id text`, and tells the place that was sealed with the
 * value.
 */
export interface SealedTable {
  readonly table: string;
  /** SQL over a row that gives the `plugin` and the `name` of its SecretPlace. */
  readonly plugin: string;
  readonly name: string;
}

/**
 * Every table with sealed values: a rotation seals what is in them again. Whoever writes into one of them takes the value
 * from `Keys.sealer`, or calls `Keys.hold` before copying rows as they are.
 */
export const SEALED_TABLES: readonly SealedTable[] = [
  // Sensitive config values (vault.ts).
  { table: 'plugin_secrets', plugin: 'plugin_name', name: 'name' },
  // The same of restore points (src/restore-points/secrets.ts).
  {
    table: 'restore_point_secrets',
    plugin: '(select plugin_name from restore_points where id = point)',
    name: 'name',
  },
];

/** Values that are opened and sealed again at a time. */
const BATCH = 200;

/** The number of sealed values by the id of their key. */
export async function countSealed(db: Db | Trx): Promise<Map<string, number>> {
  const counts = new Map<string, number>();
  for (const { table } of SEALED_TABLES) {
    const { rows } = await sql<{ key_id: string; count: number }>`
      select key_id, count(*) as count from ${sql.table(table)} group by key_id`.execute(db);
    for (const { key_id: id, count } of rows) counts.set(id, (counts.get(id) ?? 0) + count);
  }
  return counts;
}

/** The plugins with values that the key sealed, up to ten. */
export async function pluginsSealedWith(db: Db | Trx, keyId: string): Promise<string[]> {
  const found = new Set<string>();
  for (const { table, plugin } of SEALED_TABLES) {
    const { rows } = await sql<{ plugin: string }>`
      select distinct ${sql.raw(plugin)} as plugin from ${sql.table(table)} where key_id = ${keyId}
      order by 1 limit 10`.execute(db);
    for (const row of rows) found.add(row.plugin);
  }
  return [...found].sort().slice(0, 10);
}

/** Keeps others from writing to the tables until the transaction ends. Does not wait: fails while somebody writes. */
export async function lockSealed(trx: Trx): Promise<void> {
  const tables = sql.join(SEALED_TABLES.map(({ table }) => sql.table(table)));
  await sql`lock table ${tables} in share row exclusive mode nowait`.execute(trx);
}

/**
 * Seals each value again that is not sealed with the key `keyId`; call `lockSealed` before.
 *
 * @param again opens a value and seals it with that key
 * @param onProgress hears after each batch how many there are by now
 */
export async function resealAll(
  trx: Trx,
  keyId: string,
  again: (place: SecretPlace, value: SealedValue) => SealedValue,
  onProgress: (done: number) => void,
): Promise<number> {
  let done = 0;
  for (const sealed of SEALED_TABLES) {
    for (let batch = 1; batch > 0; done += batch) {
      batch = await resealBatch(trx, sealed, keyId, again);
      if (batch > 0) onProgress(done + batch);
    }
  }
  return done;
}

async function resealBatch(
  trx: Trx,
  { table, plugin, name }: SealedTable,
  keyId: string,
  again: (place: SecretPlace, value: SealedValue) => SealedValue,
): Promise<number> {
  // A row's ctid is its own as long as nobody else may write.
  const { rows } = await sql<SecretPlace & SealedValue & { at: string }>`
    select ctid::text as at, ${sql.raw(plugin)} as plugin, ${sql.raw(name)} as name, sealed, key_id
    from ${sql.table(table)} where key_id <> ${keyId} limit ${BATCH}`.execute(trx);
  if (rows.length === 0) return 0;
  const fresh = rows.map((row) => again(row, row).sealed);
  await sql`
    update ${sql.table(table)} as kept set sealed = fresh.sealed, key_id = ${keyId}
    from unnest(${rows.map(({ at }) => at)}::tid[], ${fresh}::bytea[]) as fresh(at, sealed)
    where kept.ctid = fresh.at`.execute(trx);
  return rows.length;
}
