import { MemoryDeliveries } from './memory-deliveries.ts';
import { MemoryPlugins } from './memory-plugins.ts';
import { MemoryTicks } from './memory-ticks.ts';
import type { Monitor } from './monitor.ts';
import { SIMULATED_SCHEDULES } from './plan.ts';
import type { World } from './world.ts';

/** When the simulation begins. */
export const EPOCH = Date.parse('2026-11-01T00:00:00Z');

/** How the tables are made; the mutants of the tests make worse ones. */
export interface Tables {
  readonly Deliveries: typeof MemoryDeliveries;
  readonly Ticks: typeof MemoryTicks;
}

export const TABLES: Tables = { Deliveries: MemoryDeliveries, Ticks: MemoryTicks };

/** The one database of all replicas: its tables, its clock, which is the true one, and whether it answers. */
export class Database {
  readonly plugins = new MemoryPlugins();
  readonly deliveries: MemoryDeliveries;
  readonly ticks: MemoryTicks;
  readonly now: () => number;
  isUp = true;
  /** How many times longer than usual everything takes. */
  slowness = 1;

  constructor(world: World, monitor: Monitor, { Deliveries, Ticks }: Tables) {
    const now = (): number => EPOCH + world.now;
    const { plugins } = this;
    this.now = now;
    this.deliveries = new Deliveries({ now, plugins, watch: monitor.deliveries });
    this.ticks = new Ticks({ now, plugins, limits: SIMULATED_SCHEDULES, claimed: (run) => monitor.jobs.claimed(run) });
    monitor.observe(this);
  }
}
