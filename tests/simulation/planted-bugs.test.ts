import { expect, test } from 'bun:test';
import { createDispatcher, type DispatcherDeps } from '../../src/events/deliver.ts';
import type { Claim } from '../../src/events/delivery-store.ts';
import { createSchedules } from '../../src/schedules/schedules.ts';
import type { TickStore } from '../../src/schedules/tick-store.ts';
import type { SchedulesDeps } from '../../src/schedules/types.ts';
import { TABLES } from './database.ts';
import { type DeliveryRow, MemoryDeliveries } from './memory-deliveries.ts';
import { MemoryTicks } from './memory-ticks.ts';
import { planOf, SIMULATED_DELIVERIES, SIMULATED_SCHEDULES } from './plan.ts';
import { REAL_PARTS } from './process.ts';
import { shrink } from './shrink.ts';
import { type Options, simulate } from './simulate.ts';

/** A simulation that finds nothing proves nothing: each of these bugs has to be found within so many seeds. */
const SEEDS = 60;

function found(planted: Options, from = 1): { readonly seed: number; readonly violations: readonly string[] } {
  for (let seed = from; seed < from + SEEDS; seed++) {
    const { violations } = simulate(planOf(seed), planted);
    if (violations.length > 0) return { seed, violations };
  }
  throw new Error(`nothing was found in ${SEEDS} seeds`);
}

const deliveries = (Deliveries: typeof MemoryDeliveries): Options => ({ tables: { ...TABLES, Deliveries } });
const ticks = (Ticks: typeof MemoryTicks): Options => ({ tables: { ...TABLES, Ticks } });

test('a store whose claim ignores the lease', () => {
  class Planted extends MemoryDeliveries {
    override async claim(...[owner, slots, leaseMs]: Parameters<MemoryDeliveries['claim']>): Promise<Claim[]> {
      const given = await super.claim(owner, slots, leaseMs);
      for (const { delivery } of given) (this.rows.get(delivery) as DeliveryRow).dueAt -= leaseMs;
      return given;
    }
  }
  expect(found(deliveries(Planted)).violations.join()).toContain('lease');
});

test('a store that gives what comes later in a key before its turn', () => {
  class Planted extends MemoryDeliveries {
    protected override turnAt(row: DeliveryRow): number {
      return row.dueAt;
    }
  }
  expect(found(deliveries(Planted)).violations.join()).toContain('comes first');
});

test('a store that lets a lost claim decide', () => {
  class Planted extends MemoryDeliveries {
    protected override heldRow(_owner: string, { delivery }: Claim): DeliveryRow | undefined {
      const row = this.rows.get(delivery);
      return row?.state === 'pending' ? row : undefined;
    }
  }
  expect(found(deliveries(Planted)).violations.length).toBeGreaterThan(0);
});

test('a store that keeps the deliveries of a plugin that was uninstalled', () => {
  class Planted extends MemoryDeliveries {
    override drop(): void {}
  }
  expect(found(deliveries(Planted)).violations.join()).toContain('after the uninstall');
});

test('a dispatcher that records before the handler has ended', () => {
  const early = (deps: DispatcherDeps) => {
    const { store, sink, owner = '' } = deps;
    const last = new Map<string, Claim>();
    return createDispatcher({
      ...deps,
      owner,
      store: {
        ...store,
        claim: async (...args) => {
          const claims = await store.claim(...args);
          for (const claim of claims) last.set(`${claim.plugin} ${claim.event.id}`, claim);
          return claims;
        },
      },
      sink: {
        ...sink,
        deliver: async (plugin, event, signal) => {
          const claim = last.get(`${plugin} ${event.id}`);
          if (claim) await store.settle([claim]);
          return sink.deliver(plugin, event, signal);
        },
      },
    });
  };
  const { violations } = found({ parts: { ...REAL_PARTS, createDispatcher: early } });
  expect(violations.join()).toContain('no handler had succeeded');
});

test('a dispatcher that gives up too early', () => {
  const hasty = (deps: DispatcherDeps) =>
    createDispatcher({ ...deps, limits: { ...SIMULATED_DELIVERIES, maxAttempts: 2 } });
  expect(found({ parts: { ...REAL_PARTS, createDispatcher: hasty } }).violations.join()).toContain(
    'dead letter at attempt 2',
  );
});

test('a dispatcher that looks for work only when somebody tells it', () => {
  const deaf = (deps: DispatcherDeps) =>
    createDispatcher({ ...deps, limits: { ...SIMULATED_DELIVERIES, pollMs: 3_600_000 } });
  expect(found({ parts: { ...REAL_PARTS, createDispatcher: deaf } }).violations.join()).toMatch(
    /for ever|nothing was in its way/,
  );
});

test('a dispatcher that trusts a claim however late its answer comes', () => {
  const leaseMs = SIMULATED_DELIVERIES.deadlineMs + SIMULATED_DELIVERIES.leaseMarginMs;
  const trusting = (deps: DispatcherDeps) =>
    createDispatcher({
      ...deps,
      limits: { ...SIMULATED_DELIVERIES, leaseMarginMs: 3_600_000 },
      store: { ...deps.store, claim: (owner, slots) => deps.store.claim(owner, slots, leaseMs) },
    });
  const { violations } = found({ parts: { ...REAL_PARTS, createDispatcher: trusting } });
  expect(violations.join()).toContain('after its lease had ended');
});

test('schedules that trust a claim however late its answer comes', () => {
  const trusting = (deps: SchedulesDeps) =>
    createSchedules({ ...deps, limits: { ...SIMULATED_SCHEDULES, leaseMs: 3_600_000 } });
  // An answer that late is one in a hundred seeds: from where one is.
  const { violations } = found({ parts: { ...REAL_PARTS, createSchedules: trusting } }, 290);
  expect(violations.join()).toContain('after its lease had ended');
});

test('a store of ticks without the unique row', () => {
  class Planted extends MemoryTicks {
    override hasTick(): boolean {
      for (const job of this.jobs.values()) job.tickedAt = 0;
      return false;
    }
  }
  expect(found(ticks(Planted)).violations.join()).toMatch(/ran 2 times/);
});

test('a store of ticks that never notes a run as lost', () => {
  class Planted extends MemoryTicks {
    override viewOf(owner: string): TickStore {
      return Object.assign(super.viewOf(owner), { sweep: async () => [] });
    }
  }
  expect(found(ticks(Planted)).violations.join()).toContain('is running for ever');
});

test('what is found is shrunk to less that still fails', () => {
  class Planted extends MemoryDeliveries {
    override drop(): void {}
  }
  const planted = deliveries(Planted);
  const plan = planOf(found(planted).seed);
  const small = shrink(plan, planted);
  expect(small.actions.length).toBeLessThan(plan.actions.length / 2);
  expect(simulate(small, planted).violations.length).toBeGreaterThan(0);
});
