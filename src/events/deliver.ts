import { CodedError } from '../../sandbox-apis/_kit/errors.ts';
import type { Sql } from '../db/sql.ts';
import type { Log } from '../log.ts';
import { type Clock, SYSTEM_CLOCK } from '../schedules/limits.ts';
import type { Claim, DeliveryStore } from './delivery-store.ts';
import { describeFailure } from './failure.ts';
import { DELIVERY_LIMITS, type DeliveryLimits, RETENTION_LIMITS, retryDelayMs } from './limits.ts';
import { DELIVERIES_CHANNEL } from './publish.ts';
import { Settler } from './settler.ts';
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
  readonly store: DeliveryStore;
  readonly log: Log;
  readonly sink: EventSink;
  readonly metrics?: DeliveryMetrics;
  /** Hears the hints of publishers, this process and others; without it there are `poke` and the poll. */
  readonly sql?: Pick<Sql, 'listen'>;
  /** The database was away, and is back. */
  readonly onDatabaseBack?: () => void;
  readonly limits?: DeliveryLimits;
  /** Says when to look, and bounds the waits; what is due, only the store says. */
  readonly clock?: Clock;
  /** In [0, 1), for the jitter of retries. */
  readonly random?: () => number;
  /** What this dispatcher's claims are held by: a UUID that no other has. */
  readonly owner?: string;
}

export interface Dispatcher {
  start(): Promise<void>;
  /** Claims no more, waits up to `drainMs` for what is in flight, then aborts the rest and gives it back. */
  stop(): Promise<void>;
  /** There may be something to deliver, to these plugins or (without them) to any: look now. */
  poke(plugins?: readonly string[]): void;
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
 * lease, so that what a killed process held is tried again. Every plugin has its own few slots.
 */
export function createDispatcher(deps: DispatcherDeps): Dispatcher {
  const { store, log, sink, metrics, sql } = deps;
  const limits = deps.limits ?? DELIVERY_LIMITS;
  const clock = deps.clock ?? SYSTEM_CLOCK;
  const random = deps.random ?? Math.random;
  const owner = deps.owner ?? Bun.randomUUIDv7();
  const settler = new Settler({ store, log, clock, limits });
  const inFlight = new Map<AbortController, Promise<void>>();
  /** Deliveries whose handlers run, by plugin. */
  const busy = new Map<string, number>();
  let unsettled = 0;
  /** Plugins that may have something due: the next pass claims for them without asking who has. */
  const hot = new Set<string>();
  /** Plugins for which there was no slot over all; they are hot again when one is free. */
  const crowded = new Set<string>();
  let running = false;
  /** The next pass asks the store which plugins have something due. */
  let asks = false;
  let looking: Promise<void> | undefined;
  let wakeAt = Number.POSITIVE_INFINITY;
  let cancelWake = () => {};
  let cancelTidy = () => {};
  let unlisten: (() => Promise<void>) | undefined;

  function poke(plugins?: readonly string[]): void {
    if (plugins === undefined) asks = true;
    else for (const plugin of plugins) hot.add(plugin);
    if (!running || looking) return;
    looking = look().finally(() => {
      looking = undefined;
      if (asks || hot.size > 0) poke([]);
    });
  }

  /** Asks again in `inMs`, or before. */
  function wakeIn(inMs: number): void {
    const at = clock.now() + Math.ceil(inMs);
    if (!running || at >= wakeAt) return;
    cancelWake();
    wakeAt = at;
    cancelWake = clock.after(Math.ceil(inMs), () => {
      wakeAt = Number.POSITIVE_INFINITY;
      poke();
    });
  }

  /** Passes until no one has asked for another. */
  async function look(): Promise<void> {
    while (running && (asks || hot.size > 0)) {
      try {
        await pass();
      } catch (err) {
        log.error({ err }, 'cannot look for deliveries; trying again');
        // Asking finds whom this pass had in hand.
        hot.clear();
        asks = false;
        wakeIn(limits.notReadyMs);
      }
    }
    wakeIn(limits.pollMs);
  }

  /** Claims and starts what is due and has room. */
  async function pass(): Promise<void> {
    if (asks) {
      asks = false;
      for (const { plugin, inMs } of await store.nextDue()) {
        if (inMs <= 0) hot.add(plugin);
        else if (sink.ready(plugin)) wakeIn(inMs);
      }
    }
    // Whoever is not ready now comes with a poke when it is.
    const due = [...hot].filter((plugin) => sink.ready(plugin));
    hot.clear();
    const slots = unsettled < limits.unsettled ? allot(due, busy, limits) : new Map<string, number>();
    for (const plugin of due) if (!slots.has(plugin)) crowded.add(plugin);
    if (slots.size === 0) return;
    const askedAt = clock.now();
    const claims = await store.claim(owner, slots, limits.deadlineMs + limits.leaseMarginMs);
    // An answer that came this late leaves less than the deadline of the lease: another core may have them by then.
    const tookMs = clock.now() - askedAt;
    const isLate = tookMs < 0 || tookMs > limits.leaseMarginMs;
    const left = new Map(slots);
    for (const claimed of claims) {
      left.set(claimed.plugin, (left.get(claimed.plugin) ?? 0) - 1);
      if (isLate) giveBack(claimed);
      else run(claimed);
    }
    if (isLate && claims.length > 0) asks = true;
    // All its slots were used: there may be more. It is asked again, now when it has room, else when one is free.
    for (const [plugin, n] of left) if (n <= 0) hot.add(plugin);
  }

  function giveBack(claimed: Claim): void {
    const { plugin, delivery } = claimed;
    store
      .release(owner, claimed, false, 0)
      .catch((err) => log.warn({ err, plugin, delivery }, 'a late claim was not given back; its lease ends'));
  }

  function run(claimed: Claim): void {
    const abort = new AbortController();
    const done = attempt(claimed, abort)
      // What could not be recorded is tried again when the lease ends.
      .catch((err) => log.error({ err, plugin: claimed.plugin, delivery: claimed.delivery }, 'delivery not recorded'))
      .finally(() => {
        inFlight.delete(abort);
        // Its key may go on, or a place of its `concurrency` is free.
        freed(claimed.plugin);
      });
    inFlight.set(abort, done);
  }

  function freed(plugin: string): void {
    const again = [plugin, ...crowded];
    crowded.clear();
    poke(again);
  }

  /** Runs the handlers in a slot of the plugin. */
  async function inSlot(plugin: string, work: () => Promise<void>): Promise<void> {
    busy.set(plugin, (busy.get(plugin) ?? 0) + 1);
    try {
      await work();
    } finally {
      const left = (busy.get(plugin) ?? 1) - 1;
      if (left === 0) busy.delete(plugin);
      else busy.set(plugin, left);
      if (crowded.size > 0) freed(plugin);
    }
  }

  async function attempt(claimed: Claim, abort: AbortController): Promise<void> {
    const { plugin, event, attempt } = claimed;
    const overrun = new CodedError('deadline_exceeded', `The handlers took longer than ${limits.deadlineMs} ms`);
    const cancelDeadline = clock.after(limits.deadlineMs, () => abort.abort(overrun));
    const began = clock.now();
    try {
      await inSlot(plugin, () =>
        untilAborted(abort.signal, () => sink.deliver(plugin, { ...event, attempt }, abort.signal)),
      );
    } catch (error) {
      return await failed(claimed, error);
    } finally {
      cancelDeadline();
    }
    const ms = clock.now() - began;
    unsettled += 1;
    try {
      await settler.settle(claimed);
    } finally {
      unsettled -= 1;
    }
    metrics?.delivered(plugin, ms);
  }

  async function failed(claimed: Claim, error: unknown): Promise<void> {
    if (error === STOPPING) return store.release(owner, claimed, true, 0);
    if (error instanceof CodedError && NOT_BEGUN.has(error.code)) {
      await store.release(owner, claimed, false, limits.notReadyMs);
      return wakeIn(limits.notReadyMs);
    }
    const { plugin, delivery, attempt, event } = claimed;
    const message = describeFailure(error);
    const inMs = retryDelayMs(attempt, limits, random());
    if (inMs === null) await store.bury(owner, claimed, message);
    else {
      await store.retry(owner, claimed, message, inMs);
      wakeIn(inMs);
    }
    metrics?.failed(plugin, inMs === null);
    log.warn(
      { plugin, delivery, event: event.name, eventId: event.id, attempt, error: message, retryInMs: inMs },
      'delivery failed',
    );
  }

  function tidyLater(): void {
    cancelTidy = clock.after(RETENTION_LIMITS.everyMs, () => {
      store.tidy().catch((err) => log.error({ err }, 'cannot prune events; trying again'));
      tidyLater();
    });
  }

  return {
    poke,
    async start() {
      if (running) return;
      // The second poke is called whenever the connection was lost and is back: hints may have been missed.
      let hasListened = false;
      const onListen = (): void => {
        poke();
        if (hasListened) deps.onDatabaseBack?.();
        hasListened = true;
      };
      const onHint = (payload: string): void => poke(payload === '' ? undefined : payload.split(' '));
      if (sql) unlisten = (await sql.listen(DELIVERIES_CHANNEL, onHint, onListen)).unlisten;
      running = true;
      tidyLater();
      poke();
    },
    async stop() {
      running = false;
      cancelTidy();
      await unlisten?.();
      unlisten = undefined;
      await looking;
      cancelWake();
      const settled = Promise.all(inFlight.values());
      await within(limits.drainMs, settled, clock);
      for (const abort of inFlight.keys()) abort.abort(STOPPING);
      settler.stop();
      // What cannot be given back by then (no database) is taken over when its lease ends.
      await within(limits.drainMs, settled, clock);
    },
  };
}
