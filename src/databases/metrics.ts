import { Gauge, type Registry } from 'prom-client';
import type { DatabasesView } from './open.ts';

/** Prometheus series of the plugins' databases; how often they call is among the calls by capability. */
export function createDatabaseMetrics(registry: Registry, databases: DatabasesView): void {
  new Gauge({
    name: 'streamspace_plugin_database_connections',
    help: 'Open connections to the database of a plugin',
    labelNames: ['plugin'],
    registers: [registry],
    collect() {
      this.reset();
      for (const [plugin, count] of databases.connections()) this.labels(plugin).set(count);
    },
  });
}
