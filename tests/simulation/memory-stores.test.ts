import { SCHEDULE_LIMITS } from '../../src/schedules/limits.ts';
import { deliveryStoreConformance } from '../events/delivery-store-conformance.ts';
import { testTickStore } from '../schedules/tick-store-conformance.ts';
import { MemoryDeliveries } from './memory-deliveries.ts';
import { MemoryPlugins } from './memory-plugins.ts';
import { MemoryTicks } from './memory-ticks.ts';

/** Few, so that the tests reach them before a lease ends. */
const LIMITS = { ...SCHEDULE_LIMITS, overlapping: 3, waiting: 3 };
const START = Date.parse('2026-11-01T00:00:00Z');

deliveryStoreConformance('in memory', async () => {
  const plugins = new MemoryPlugins();
  let now = START;
  let events = 0;
  const store = new MemoryDeliveries({ now: () => now, plugins });
  const rowsOf = (plugin: string) => [...store.rows.values()].filter((row) => row.plugin === plugin);
  return {
    store,
    install: async (plugin, options) => {
      plugins.install(plugin, 'one');
      store.subscribe(plugin, [{ pattern: '*', ...options }]);
    },
    uninstall: async (plugin) => plugins.uninstall(plugin),
    publish: async (data = null) => {
      const id = `event-${++events}`;
      store.publish({ id, name: 'custom.tested', data });
      return id;
    },
    pass: async (ms) => {
      now += ms;
    },
    outcomes: async (plugin) =>
      rowsOf(plugin).map(({ event, state, attempts }) => ({ event: event.id, state, attempts })),
    redeliver: async (plugin, event) => {
      for (const row of rowsOf(plugin)) if (row.event.id === event) store.redeliver(row.id);
    },
    close: async () => {},
  };
});

testTickStore(async () => {
  const plugins = new MemoryPlugins();
  let now = START;
  let cores = 0;
  const tables = new MemoryTicks({ now: () => now, plugins, limits: LIMITS });
  return {
    core: () => tables.viewOf(`core-${++cores}`),
    advance: (ms) => {
      now += ms;
    },
    now: () => now,
    install: async (plugin, digest) => plugins.install(plugin, digest),
    change: async (plugin, to) => plugins.change(plugin, to),
    runs: async (plugin) => [...tables.runs.values()].filter((run) => run.plugin === plugin),
    close: async () => {},
  };
}, LIMITS);
