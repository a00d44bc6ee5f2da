import { Counter, Gauge, type Registry } from 'prom-client';
import { type Db, poolUse } from '../db/client.ts';
import type { SupervisorReport } from '../host/supervisor.ts';
import type { PluginState } from '../plugins/state.ts';

export interface PlatformDeps {
  readonly version: string;
  readonly db: Db;
  readonly plugins: () => readonly { readonly name: string; readonly state: Pick<PluginState, 'kind'> }[];
  readonly report: () => Pick<SupervisorReport, 'hosts'>;
}

const STATES = [
  'installed',
  'loading',
  'active',
  'hibernated',
  'failed',
  'quarantined',
] as const satisfies readonly PluginState['kind'][];

/** Series of this core and its isolate hosts, and the state of each plugin here. */
export function createPlatformMetrics(registry: Registry, { version, db, plugins, report }: PlatformDeps): void {
  const registers = [registry];
  new Gauge({
    name: 'streamspace_build_info',
    help: '1; the label says which version runs',
    labelNames: ['version'],
    registers,
  })
    .labels(version)
    .set(1);
  new Gauge({
    name: 'streamspace_plugin_state',
    help: '1 for the state that the plugin is in on this core, 0 for the others',
    labelNames: ['plugin', 'state'],
    registers,
    collect() {
      this.reset();
      for (const { name, state } of plugins()) {
        for (const kind of STATES) this.labels(name, kind).set(kind === state.kind ? 1 : 0);
      }
    },
  });
  new Gauge({
    name: 'streamspace_database_pool_connections',
    help: 'Connections of the core to its database, and work that waits for one',
    labelNames: ['state'],
    registers,
    collect() {
      for (const [state, count] of Object.entries(poolUse(db))) this.labels(state).set(count);
    },
  });
  const ofHosts = (name: string, help: string, of: (host: SupervisorReport['hosts'][number]) => number) =>
    new Gauge({
      ...{ name, help, registers },
      labelNames: ['host'],
      collect() {
        this.reset();
        for (const host of report().hosts) this.labels(host.name).set(of(host));
      },
    });
  ofHosts('streamspace_host_resident_memory_bytes', 'Memory of the process of an isolate host', ({ rss }) => rss);
  ofHosts('streamspace_host_isolates', 'Isolates that live in an isolate host', ({ isolates }) => isolates);
  new Counter({
    name: 'streamspace_host_restarts_total',
    help: 'Times that another process took the place of an isolate host that died',
    labelNames: ['host'],
    registers,
    collect() {
      this.reset();
      for (const host of report().hosts) this.labels(host.name).inc(host.restarts);
    },
  });
}
