import { sql } from 'kysely';
import { publish } from '../../src/events/publish.ts';
import { createSqlDeliveryStore } from '../../src/events/sql-delivery-store.ts';
import { redeliver } from '../../src/events/store.ts';
import { testDatabase } from '../kit/postgres.ts';
import { deliveryStoreConformance, type StoreRig } from './delivery-store-conformance.ts';
import { installPlugin, resetEvents } from './plugins.ts';

const database = await testDatabase();

deliveryStoreConformance('postgres', async (): Promise<StoreRig> => {
  const { db } = database;
  return {
    store: createSqlDeliveryStore(db),
    install: (plugin, { orderBy = null, concurrency = null } = {}) =>
      installPlugin(db, plugin, [{ pattern: '*', orderBy, concurrency }]),
    async uninstall(plugin) {
      await db.deleteFrom('installed_plugins').where('name', '=', plugin).execute();
    },
    publish: (data = null) => publish(db, { name: 'user.created', data }),
    async pass(ms) {
      await sql`
        update deliveries set next_attempt_at = next_attempt_at - make_interval(secs => ${ms / 1000}::float8)
        where next_attempt_at < 'infinity'`.execute(db);
    },
    async outcomes(plugin) {
      const { rows } = await sql<{ event: string; state: 'pending' | 'done' | 'dead'; attempts: number }>`
        select event_id as event, state, attempts from deliveries where plugin_name = ${plugin} order by id`.execute(
        db,
      );
      return rows;
    },
    async redeliver(plugin, event) {
      const row = await db
        .selectFrom('deliveries')
        .select('id')
        .where('plugin_name', '=', plugin)
        .where('event_id', '=', event)
        .executeTakeFirstOrThrow();
      await redeliver(db, plugin, row.id);
    },
    close: () => resetEvents(db),
  };
});
