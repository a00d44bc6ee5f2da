import type { Db } from '../../src/db/client.ts';
import { replaceSubscriptions, type Subscription } from '../../src/events/subscriptions.ts';

/** A subscription without options. */
export function plain(pattern: string): Subscription {
  return { pattern, orderBy: null, concurrency: null };
}

/** An installed plugin, as far as the tables know, with its subscriptions. */
export async function installPlugin(
  db: Db,
  name: string,
  patterns: readonly (string | Subscription)[] = [],
): Promise<void> {
  const row = { name, version: '1.0.0', source: 'folder', package_digest: 'none', enabled: true };
  await db.insertInto('installed_plugins').values(row).execute();
  const subscriptions = patterns.map((given) => (typeof given === 'string' ? plain(given) : given));
  await replaceSubscriptions(db, name, subscriptions);
}

/** Uninstalls every plugin and forgets every event. */
export async function resetEvents(db: Db): Promise<void> {
  await db.deleteFrom('installed_plugins').execute();
  await db.deleteFrom('events').execute();
}
