import type { Registry } from 'prom-client';
import type { Db } from '../db/client.ts';
import type { Sql } from '../db/sql.ts';
import { DeliveryJobs } from '../events/bulk.ts';
import { createDispatcher, type Dispatcher } from '../events/deliver.ts';
import { Emitter } from '../events/emitter.ts';
import { createLagMetrics } from '../events/lag.ts';
import { createSqlDeliveryStore } from '../events/sql-delivery-store.ts';
import type { Log } from '../log.ts';
import { restingEvents } from '../permissions/resting.ts';
import type { Switches } from '../permissions/switches.ts';
import type { Quotas } from '../quotas/quotas.ts';
import { waitingEvents } from '../quotas/waiting.ts';
import type { Telemetry } from '../telemetry/start.ts';
import type { Lifecycle } from './lifecycle.ts';
import type { Meters } from './meters.ts';
import { createEventSink } from './sinks.ts';

export interface EventsDeps {
  readonly db: Db;
  readonly log: Log;
  readonly sql: Pick<Sql, 'listen'>;
  /** This core. */
  readonly owner: string;
  readonly lifecycle: () => Lifecycle;
  readonly quotas: Quotas;
  readonly switches: Switches;
  readonly meters: Meters;
  readonly registry: Registry;
  readonly telemetry: Telemetry | null;
}

/** Events on their way to the plugins: delivered, emitted by them, and replayed. Nothing begins by itself. */
export function createEvents({ db, log, lifecycle, switches, telemetry, ...deps }: EventsDeps): {
  readonly dispatcher: Dispatcher;
  readonly emitter: Emitter;
  readonly deliveryJobs: DeliveryJobs;
} {
  const sink = createEventSink(lifecycle);
  const dispatcher = createDispatcher({
    store: createSqlDeliveryStore(db),
    owner: deps.owner,
    log,
    sql: deps.sql,
    onDatabaseBack: () =>
      void lifecycle()
        .onDatabaseBack()
        .catch((error: unknown) => log.error({ err: error }, 'plugins were not tried again after an outage')),
    sink: restingEvents(waitingEvents(telemetry === null ? sink : telemetry.events(sink, db), deps.quotas), switches),
    metrics: {
      delivered: (plugin) => deps.meters.of(plugin).delivered(),
      failed: (plugin, dead) => deps.meters.of(plugin).deliveryFailed(dead),
    },
  });
  const poke = (plugins?: readonly string[]): void => dispatcher.poke(plugins);
  createLagMetrics(deps.registry, db, log);
  return { dispatcher, emitter: new Emitter({ db, log, poke }), deliveryJobs: new DeliveryJobs({ db, log, poke }) };
}
