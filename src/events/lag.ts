import { sql } from 'kysely';
import { Gauge, type Registry } from 'prom-client';
import type { Db } from '../db/client.ts';
import type { Log } from '../log.ts';

/** How far a plugin is behind. */
export interface Lag {
  /** Deliveries that wait or run; `LAG_LIMITS.counted` means that or more. */
  readonly pending: number;
  /** Dead letters; likewise. */
  readonly dead: number;
  /** Age of the oldest that waits or runs, in seconds; 0 when there is none. */
  readonly lagSeconds: number;
}

export const LAG_LIMITS = {
  /** Counting goes no further: a plugin so far behind is, and 100,000 index entries take 10 ms. */
  counted: 100_000,
  /** How old the figures of the Prometheus series may be, in milliseconds: several gauges, one look. */
  freshMs: 5_000,
} as const;

/** How far one plugin is behind. */
export async function lagOf(db: Db, plugin: string): Promise<Lag> {
  return (await readLags(db, plugin)).get(plugin) ?? { pending: 0, dead: 0, lagSeconds: 0 };
}

/** Prometheus series of the lag of each installed plugin, read when they are asked for. */
export function createLagMetrics(registry: Registry, db: Db, log: Log): void {
  let last: { readonly at: number; readonly lags: Promise<ReadonlyMap<string, Lag> | null> } | null = null;
  const lags = () => {
    const now = performance.now();
    if (last === null || now - last.at > LAG_LIMITS.freshMs) {
      const reading = readLags(db, null).catch((error: unknown) => {
        log.debug({ err: error }, 'the lag of deliveries was not read');
        return null;
      });
      last = { at: now, lags: reading };
    }
    return last.lags;
  };
  const gauge = (name: string, help: string, of: (lag: Lag) => number) =>
    new Gauge({
      ...{ name, help, labelNames: ['plugin'], registers: [registry] },
      async collect() {
        const read = await lags();
        if (read === null) return;
        this.reset();
        for (const [plugin, lag] of read) this.labels(plugin).set(of(lag));
      },
    });
  gauge(
    'streamspace_plugin_events_pending',
    'Deliveries that wait or run, counted to 100,000',
    ({ pending }) => pending,
  );
  gauge('streamspace_plugin_events_dead', 'Dead letters, counted to 100,000', ({ dead }) => dead);
  gauge(
    'streamspace_plugin_events_lag_seconds',
    'Age of the oldest delivery that waits or runs',
    (lag) => lag.lagSeconds,
  );
}

async function readLags(db: Db, plugin: string | null): Promise<ReadonlyMap<string, Lag>> {
  const { rows } = await sql<Lag & { name: string }>`
    select name, pending, dead, lag_seconds as "lagSeconds"
    from delivery_lags(${plugin}::text, ${LAG_LIMITS.counted}::int)`.execute(db);
  return new Map(rows.map(({ name, ...lag }) => [name, lag]));
}
