import { sql } from 'kysely';
import type { Db, Trx } from '../db/client.ts';
import { Turns } from './turns.ts';

/** Per connection pool: two changes of a plugin must not overtake each other on two connections. */
const turns = new WeakMap<Db | Trx, Turns>();

/**
 * Makes `patterns` the subscriptions of a plugin; from then on, what is published and matches is delivered to it. Of
 * several calls for a plugin the last one counts.
 */
export async function replaceSubscriptions(db: Db | Trx, plugin: string, patterns: readonly string[]): Promise<void> {
  const wanted = [...patterns];
  await inTurn(db, plugin, async () => {
    // One statement: a publisher sees the old set or the new one, never none.
    await sql`
      with wanted as (select distinct unnest(${wanted}::text[]) as pattern),
      gone as (
        delete from plugin_subscriptions
        where plugin_name = ${plugin} and pattern not in (select pattern from wanted)
      )
      insert into plugin_subscriptions (plugin_name, pattern)
      select ${plugin}, pattern from wanted
      on conflict do nothing`.execute(db);
  });
}

/** Ends all subscriptions of a plugin. Not for a core that stops: what is published meanwhile would be missed. */
export async function clearSubscriptions(db: Db | Trx, plugin: string): Promise<void> {
  await replaceSubscriptions(db, plugin, []);
}

function inTurn(db: Db | Trx, plugin: string, work: () => Promise<void>): Promise<void> {
  const own = turns.get(db) ?? new Turns();
  turns.set(db, own);
  return own.take(plugin, work);
}
