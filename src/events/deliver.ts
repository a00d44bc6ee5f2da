import { CodedError } from '../../sandbox-apis/_kit/errors.ts';
import type { Db } from '../db/client.ts';
import type { Sql } from '../db/sql.ts';
import type { Log } from '../log.ts';
import { type Claim, claim, nextDue, release, retry, settle } from './claims.ts';
import { describeFailure } from './failure.ts';
import { DELIVERY_LIMITS, type DeliveryLimits, RETENTION_LIMITS, retryDelayMs } from './limits.ts';
import { DELIVERIES_CHANNEL } from './publish.ts';
import { pruneEvents } from './retention.ts';
import { allot } from './slots.ts';
import { untilAborted, within } from './waiting.ts';

export interface DeliveredEvent {
  readonly id: string;
  readonly name: string;
  readonly data: unknown;
  /** When it was published: ISO 8601, UTC. */
  readonly time: string;
  /** From 1. */
  readonly attempt: number;
}

/** Where deliveries go: the running plugins. */
export interface EventSink {
  /**
   * Runs every handler of the plugin that matches; rejects when one fails. A rejection with the code
   * `plugin_unavailable`, `plugin_disabled`, `plugin_quarantined` or `quota_exceeded` says that no handler has begun: no
   * attempt is counted.
   */
  deliver(plugin: string, event: DeliveredEvent, signal: AbortSignal): Promise<void>;
  /** Whether the plugin can take events now; its deliveries wait meanwhile. Call `poke` when it becomes ready. */
  ready(plugin: string): boolean;
}

export interface DeliveryMetrics {
  /** One delivery was taken, after so many milliseconds in the sink. */
  delivered(plugin: string, ms: number): void;
  /** One attempt failed; `dead` when it was the last. */
  failed(plugin: string, dead: boolean): void;
}

export interface DispatcherDeps {
  readonly db: Db;
  readonly log: Log;
  readonly sink: EventSink;
  readonly metrics?: DeliveryMetrics;
  /** Hears the hints of publishers, this process and others; without it there are `poke` and the poll. */
  readonly sql?: Pick<Sql, 'listen'>;
  readonly limits?: DeliveryLimits;
}

export interface Dispatcher {
  start(): Promise<void>;
  /** Claims no more, waits up to `drainMs` for what is in flight, then aborts the rest and gives it back. */
  stop(): Promise<void>;
  /** There may be something to deliver: look now. */
  poke(): void;
}

const NOT_BEGUN: ReadonlySet<string> = new Set([
  'plugin_unavailable',
  'plugin_disabled',
  'plugin_quarantined',
  'quota_exceeded',
]);
const STOPPING = new CodedError('aborted', 'The core is stopping');

/**
 * Delivers stored events to plugins, at least once, each (event, plugin) pair by one process at a time: claims with a
 * lease (SKIP LOCKED), so that what a killed process held is tried again. Every plugin has its own few slots.
 */
export function createDispatcher(deps: DispatcherDeps): Dispatcher {
  const { db, log, sink, metrics, sql } = deps;
  const limits = deps.limits ?? DELIVERY_LIMITS;
  const owner = Bun.randomUUIDv7();
  const inFlight = new Map<AbortController, { plugin: string; done: Promise<void> }>();
  let running = false;
  let wanted = false;
  let looking: Promise<void> | undefined;
  let wake: Timer | undefined;
  let prune: Timer | undefined;
  let unlisten: (() => Promise<void>) | undefined;

  function poke(): void {
    wanted = true;
    if (!running || looking) return;
    looking = look().finally(() => {
      looking = undefined;
      if (wanted) poke();
    });
  }

  /** Passes until no one has asked for another, then sleeps to the next due time or the poll. */
  async function look(): Promise<void> {
    clearTimeout(wake);
    let sleepMs = limits.pollMs;
    while (running && wanted) {
      wanted = false;
      try {
        sleepMs = await pass();
      } catch (err) {
        log.error({ err }, 'cannot look for deliveries; trying again');
        sleepMs = limits.pollMs;
      }
    }
    if (running) wake = setTimeout(poke, sleepMs);
  }

  /** Claims and starts what is due and has room; answers the milliseconds until the next look is worth while. */
  async function pass(): Promise<number> {
    const ready = (await nextDue(db)).filter(({ plugin }) => sink.ready(plugin));
    const busy = new Map<string, number>();
    for (const { plugin } of inFlight.values()) busy.set(plugin, (busy.get(plugin) ?? 0) + 1);
    const due = ready.filter(({ inMs }) => inMs <= 0).map(({ plugin }) => plugin);
    const slots = allot(due, busy, limits);
    if (slots.size > 0) {
      for (const claimed of await claim(db, owner, slots, limits.deadlineMs + limits.leaseMarginMs)) run(claimed);
    }
    const later = ready.map(({ inMs }) => inMs).filter((inMs) => inMs > 0);
    return Math.min(limits.pollMs, ...later.map(Math.ceil));
  }

  function run(claimed: Claim): void {
    const abort = new AbortController();
    const done = attempt(claimed, abort)
      // What could not be recorded is tried again when the lease ends.
      .catch((err) => log.error({ err, plugin: claimed.plugin, delivery: claimed.delivery }, 'delivery not recorded'))
      .finally(() => {
        inFlight.delete(abort);
        poke();
      });
    inFlight.set(abort, { plugin: claimed.plugin, done });
  }

  async function attempt(claimed: Claim, abort: AbortController): Promise<void> {
    const { plugin, event, attempt } = claimed;
    const overrun = new CodedError('deadline_exceeded', `The handlers took longer than ${limits.deadlineMs} ms`);
    const deadline = setTimeout(() => abort.abort(overrun), limits.deadlineMs);
    const began = performance.now();
    try {
      await untilAborted(abort.signal, () => sink.deliver(plugin, { ...event, attempt }, abort.signal));
    } catch (error) {
      return await failed(claimed, error);
    } finally {
      clearTimeout(deadline);
    }
    await settle(db, owner, claimed, null);
    metrics?.delivered(plugin, performance.now() - began);
  }

  async function failed(claimed: Claim, error: unknown): Promise<void> {
    if (error === STOPPING) return release(db, owner, claimed, true, 0);
    if (error instanceof CodedError && NOT_BEGUN.has(error.code)) {
      return release(db, owner, claimed, false, limits.notReadyMs);
    }
    const { plugin, delivery, attempt, event } = claimed;
    const message = describeFailure(error);
    const inMs = retryDelayMs(attempt, limits, Math.random());
    if (inMs === null) await settle(db, owner, claimed, message);
    else await retry(db, owner, claimed, message, inMs);
    metrics?.failed(plugin, inMs === null);
    log.warn(
      { plugin, delivery, event: event.name, eventId: event.id, attempt, error: message, retryInMs: inMs },
      'delivery failed',
    );
  }

  return {
    poke,
    async start() {
      if (running) return;
      // The second poke is called whenever the connection was lost and is back: hints may have been missed.
      if (sql) unlisten = (await sql.listen(DELIVERIES_CHANNEL, poke, poke)).unlisten;
      running = true;
      const tidy = () => {
        pruneEvents(db).catch((err) => log.error({ err }, 'cannot prune events; trying again'));
      };
      prune = setInterval(tidy, RETENTION_LIMITS.everyMs);
      poke();
    },
    async stop() {
      running = false;
      clearInterval(prune);
      await unlisten?.();
      unlisten = undefined;
      await looking;
      clearTimeout(wake);
      const settled = Promise.all([...inFlight.values()].map(({ done }) => done));
      await within(limits.drainMs, settled);
      for (const abort of inFlight.keys()) abort.abort(STOPPING);
      // What cannot be given back by then (no database) is taken over when its lease ends.
      await within(limits.drainMs, settled);
    },
  };
}
