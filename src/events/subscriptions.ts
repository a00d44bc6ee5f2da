import { sql } from 'kysely';
import type { Db, Trx } from '../db/client.ts';
import { Turns } from './turns.ts';

export interface Subscription {
  readonly pattern: string;
  /** Path below the event's data whose value is the key of the order; null: in no order. */
  readonly orderBy: string | null;
  /** The most deliveries of the plugin at a time, over all cores; null: the platform's own number. */
  readonly concurrency: number | null;
}

/** Per connection pool: two changes of a plugin must not overtake each other on two connections. */
const turns = new WeakMap<Db | Trx, Turns>();

/**
 * Makes these the subscriptions of a plugin; from then on, what is published and matches is delivered to it. Of several
 * calls for a plugin the last one counts. What is waiting keeps the key that it was published with.
 *
 * @param digest of the package that asks for them: when another is installed by now, nothing changes
 */
export async function replaceSubscriptions(
  db: Db | Trx,
  plugin: string,
  subscriptions: readonly Subscription[],
  digest: string | null = null,
): Promise<void> {
  const patterns = subscriptions.map(({ pattern }) => pattern);
  const orders = subscriptions.map(({ orderBy }) => orderBy);
  const limits = subscriptions.map(({ concurrency }) => concurrency);
  await inTurn(db, plugin, async () => {
    // One statement: a publisher sees the old set or the new one, never none.
    await sql`
      with wanted as (
        select distinct on (pattern) pattern, order_by, concurrency
        from unnest(${patterns}::text[], ${orders}::text[], ${limits}::int[]) as u(pattern, order_by, concurrency)
      ), superseded as (
        select from installed_plugins where name = ${plugin} and package_digest <> ${digest}::text
      ), gone as (
        delete from plugin_subscriptions
        where plugin_name = ${plugin} and pattern not in (select pattern from wanted)
          and not exists (select from superseded)
      )
      insert into plugin_subscriptions (plugin_name, pattern, order_by, concurrency)
      select ${plugin}, pattern, order_by, concurrency from wanted where not exists (select from superseded)
      on conflict (pattern, plugin_name) do update
      set order_by = excluded.order_by, concurrency = excluded.concurrency
      where (plugin_subscriptions.order_by, plugin_subscriptions.concurrency)
        is distinct from (excluded.order_by, excluded.concurrency)`.execute(db);
  });
}

/** Ends all subscriptions of a plugin. Not for a core that stops: what is published meanwhile would be missed. */
export async function clearSubscriptions(db: Db | Trx, plugin: string): Promise<void> {
  await replaceSubscriptions(db, plugin, []);
}

/**
 * What several handlers of a pattern ask for, as one subscription a pattern, sorted: the smallest `concurrency`, and the
 * order of the one that has one (the registrations refuse two different ones).
 */
export function mergeSubscriptions(
  registered: readonly (Pick<Subscription, 'pattern'> & Partial<Subscription>)[],
): Subscription[] {
  const merged = new Map<string, Subscription>();
  for (const { pattern, orderBy = null, concurrency = null } of registered) {
    const before = merged.get(pattern);
    merged.set(pattern, {
      pattern,
      orderBy: before?.orderBy ?? orderBy,
      concurrency: smaller(before?.concurrency ?? null, concurrency),
    });
  }
  return [...merged.values()].sort((a, b) => (a.pattern < b.pattern ? -1 : 1));
}

function smaller(a: number | null, b: number | null): number | null {
  if (a === null || b === null) return a ?? b;
  return Math.min(a, b);
}

function inTurn(db: Db | Trx, plugin: string, work: () => Promise<void>): Promise<void> {
  const own = turns.get(db) ?? new Turns();
  turns.set(db, own);
  return own.take(plugin, work);
}
