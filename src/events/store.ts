import { sql } from 'kysely';
import type { Db } from '../db/client.ts';

export type DeliveryState = 'pending' | 'done' | 'dead';

export interface StoredEvent {
  readonly id: string;
  readonly name: string;
  readonly data: unknown;
  /** `core`, or the plugin that emitted it. */
  readonly source: string;
  readonly createdAt: string;
}

export interface StoredDelivery {
  readonly id: number;
  readonly event: { readonly id: string; readonly name: string; readonly data: unknown };
  readonly state: DeliveryState;
  readonly attempts: number;
  /** When it is tried next; null when it is done or dead. */
  readonly nextAttemptAt: string | null;
  readonly lastError: string | null;
  readonly createdAt: string;
  readonly settledAt: string | null;
}

/** A page, newest first; `nextCursor` is the `cursor` of the following one, null at the end. */
export interface Page<T> {
  readonly items: T[];
  readonly nextCursor: string | null;
}

export interface EventFilter {
  /** A name, or a pattern: `prefix.*` or `*`. */
  readonly name?: string | undefined;
  readonly source?: string | undefined;
  /** The id of the last event of the page before. */
  readonly cursor?: string | undefined;
  readonly limit: number;
}

export async function listEvents(db: Db, { name, source, cursor, limit }: EventFilter): Promise<Page<StoredEvent>> {
  let query = db.selectFrom('events').select(['id', 'name', 'data', 'source', 'created_at']);
  if (name?.endsWith('.*')) query = query.where(sql<boolean>`name ^@ ${name.slice(0, -1)}`);
  else if (name !== undefined && name !== '*') query = query.where('name', '=', name);
  if (source !== undefined) query = query.where('source', '=', source);
  if (cursor !== undefined) query = query.where('id', '<', cursor);
  const rows = await query
    .orderBy('id', 'desc')
    .limit(limit + 1)
    .execute();
  const items = rows.map((row) => ({
    id: row.id,
    name: row.name,
    data: row.data,
    source: row.source,
    createdAt: row.created_at.toISOString(),
  }));
  return page(items, limit);
}

export interface DeliveryFilter {
  readonly state?: DeliveryState | undefined;
  /** The id of the last delivery of the page before. */
  readonly cursor?: number | undefined;
  readonly limit: number;
}

export async function listDeliveries(db: Db, plugin: string, filter: DeliveryFilter): Promise<Page<StoredDelivery>> {
  let query = db
    .selectFrom('deliveries as d')
    .innerJoin('events as e', 'e.id', 'd.event_id')
    .select(['d.id', 'd.state', 'd.attempts', 'd.next_attempt_at', 'd.last_error', 'd.created_at', 'd.settled_at'])
    .select(['e.id as event_id', 'e.name', 'e.data'])
    .where('d.plugin_name', '=', plugin);
  if (filter.state !== undefined) query = query.where('d.state', '=', filter.state);
  if (filter.cursor !== undefined) query = query.where('d.id', '<', filter.cursor);
  const rows = await query
    .orderBy('d.id', 'desc')
    .limit(filter.limit + 1)
    .execute();
  const items = rows.map((row) => ({
    id: row.id,
    event: { id: row.event_id, name: row.name, data: row.data },
    state: row.state as DeliveryState,
    attempts: row.attempts,
    nextAttemptAt: row.state === 'pending' ? row.next_attempt_at.toISOString() : null,
    lastError: row.last_error,
    createdAt: row.created_at.toISOString(),
    settledAt: row.settled_at?.toISOString() ?? null,
  }));
  return page(items, filter.limit);
}

/**
 * Makes a settled delivery pending again, with all its attempts before it; call the dispatcher's `poke` after it.
 * @returns what became of it: `not_found`, or `pending` when it was so already and is left alone
 */
export async function redeliver(db: Db, plugin: string, id: number): Promise<'redelivered' | 'pending' | 'not_found'> {
  const redelivered = await db
    .updateTable('deliveries')
    .set({ state: 'pending', attempts: 0, next_attempt_at: sql`clock_timestamp()`, settled_at: null })
    .where('plugin_name', '=', plugin)
    .where('id', '=', id)
    .where('state', '<>', 'pending')
    .returning('id')
    .executeTakeFirst();
  if (redelivered) return 'redelivered';
  const waiting = await db
    .selectFrom('deliveries')
    .select('id')
    .where('plugin_name', '=', plugin)
    .where('id', '=', id)
    .executeTakeFirst();
  return waiting ? 'pending' : 'not_found';
}

/**
 * Deletes a delivery in any state; one that is running ends, but is not tried again.
 * @returns whether there was one
 */
export async function dropDelivery(db: Db, plugin: string, id: number): Promise<boolean> {
  const { rows } = await sql<{ n: number }>`
    select end_deliveries(array(select id from deliveries where id = ${id} and plugin_name = ${plugin}), 'dropped', null, null, null) as n
  `.execute(db);
  return rows[0]?.n === 1;
}

function page<T extends { readonly id: string | number }>(rows: T[], limit: number): Page<T> {
  const items = rows.slice(0, limit);
  const last = items.at(-1);
  return { items, nextCursor: rows.length > limit && last ? String(last.id) : null };
}
