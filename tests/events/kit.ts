import type { Db } from '../../src/db/client.ts';
import {
  createDispatcher,
  type DeliveredEvent,
  type Dispatcher,
  type DispatcherDeps,
  type EventSink,
} from '../../src/events/deliver.ts';
import { DELIVERY_LIMITS, type DeliveryLimits } from '../../src/events/limits.ts';
import { createSqlDeliveryStore } from '../../src/events/sql-delivery-store.ts';
import { createLog } from '../../src/log.ts';

export type Take = (event: DeliveredEvent, signal: AbortSignal, plugin: string) => Promise<void>;

/** Never settles. */
export const hang: Take = () => new Promise(() => {});

export interface Rig {
  readonly dispatcher: Dispatcher;
  /** What the sink was given, in order. */
  readonly calls: { plugin: string; event: DeliveredEvent; signal: AbortSignal }[];
  /** What was recorded: `done`, `failed`, `dead`. */
  readonly outcomes: { plugin: string; outcome: 'done' | 'failed' | 'dead' }[];
  readonly unready: Set<string>;
  /** Errors that were logged. */
  readonly errors: string[];
  /** Resolves when the condition holds; looked at whenever something was delivered, recorded or logged. */
  until(condition: () => boolean): Promise<void>;
}

/** A dispatcher over a sink that answers as `take` says. Nothing wakes it but pokes, unless the limits say so. */
export function dispatcherRig(
  db: Db,
  take: Take,
  options: { limits?: Partial<DeliveryLimits>; sql?: NonNullable<DispatcherDeps['sql']> } = {},
): Rig {
  const waiting: { condition: () => boolean; resolve: () => void }[] = [];
  const changed = () => {
    for (const { condition, resolve } of waiting) if (condition()) resolve();
  };
  const sink: EventSink = {
    ready: (plugin) => !rig.unready.has(plugin),
    deliver(plugin, event, signal) {
      rig.calls.push({ plugin, event, signal });
      try {
        return take(event, signal, plugin);
      } finally {
        changed();
      }
    },
  };
  const noted = (plugin: string, outcome: 'done' | 'failed' | 'dead') => {
    rig.outcomes.push({ plugin, outcome });
    changed();
  };
  const write = (line: string) => {
    rig.errors.push(line);
    changed();
  };
  const rig: Rig = {
    dispatcher: createDispatcher({
      store: createSqlDeliveryStore(db),
      sink,
      log: createLog('warn', { write }),
      metrics: {
        delivered: (plugin) => noted(plugin, 'done'),
        failed: (plugin, dead) => noted(plugin, dead ? 'dead' : 'failed'),
      },
      limits: { ...DELIVERY_LIMITS, pollMs: 3_600_000, drainMs: 20, ...options.limits },
      ...(options.sql && { sql: options.sql }),
    }),
    calls: [],
    outcomes: [],
    unready: new Set(),
    errors: [],
    until(condition) {
      const { promise, resolve } = Promise.withResolvers<void>();
      waiting.push({ condition, resolve });
      changed();
      return promise;
    },
  };
  return rig;
}
