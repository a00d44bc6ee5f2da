import { type GuestHost, type Registered, settle } from '../_kit/guest.ts';
import { assertJson } from '../_kit/json.ts';
import type { EventPayloads } from './payloads.ts';

/** What a handler learns of the delivery besides the data. */
export interface EventInfo {
  /** The same at every attempt: deduplicate by it when a second run would do harm. */
  readonly id: string;
  readonly name: string;
  /** When it was published: ISO 8601, UTC. */
  readonly time: string;
  /** 1 at the first attempt. */
  readonly attempt: number;
  /** Where the delivery is in its trace (W3C Trace Context), while the platform traces. */
  readonly traceparent?: string;
}

export type EventHandler<T = unknown> = (data: T, event: EventInfo) => unknown;

/** How the deliveries of a subscription come; it holds for all handlers of the plugin with the same `name`. */
export interface SubscriptionOptions {
  /**
   * Path to a value in the event's data (`session.id`). Deliveries to this plugin with the same value there come one
   * after the other, in the order of their events; while one waits for its next attempt, so do those behind it, and no
   * others. Without a value there, or after the last attempt failed (a dead letter), nothing waits.
   */
  readonly orderBy?: string;
  /**
   * From 1 to 64: no more deliveries to this plugin at a time, on all machines together. The smallest of all its
   * subscriptions counts. Left out: 8 a machine, which also is the most that one machine runs.
   */
  readonly concurrency?: number;
}

/** Ends the subscription; a second call does nothing. */
export type Unsubscribe = () => void;

/** `streamspace.events`: hear of what happens, and tell others. */
export interface EventsApi {
  /**
   * Calls `handler` for every event that `name` matches: an exact name (`user.created`), everything below a prefix
   * (`session.*`), or `*`. Delivery is at least once: when a handler throws or overruns its deadline, the event comes
   * again (with backoff), to all handlers of this plugin that match it.
   *
   * Needs `events:subscribe:<pattern>`; the read permission of a resource includes its events (`users:read` for
   * `user.*`), and `plugin.<own name>.*` is free. Call it while the plugin loads: a refusal then fails the load.
   * @returns a function that ends the subscription
   * @example
   * ```ts
   * streamspace.events.on('user.created', (user, { id }) => {
   *   streamspace.log.info(`welcome, ${user.name}`, { event: id });
   * });
   * ```
   */
  on<Name extends keyof EventPayloads>(
    name: Name,
    handler: EventHandler<EventPayloads[Name]>,
    options?: SubscriptionOptions,
  ): Unsubscribe;
  on<T = unknown>(name: string, handler: EventHandler<T>, options?: SubscriptionOptions): Unsubscribe;
  /** As `on`, and ends by itself after the first event that `handler` took without throwing. */
  once<Name extends keyof EventPayloads>(name: Name, handler: EventHandler<EventPayloads[Name]>): Unsubscribe;
  once<T = unknown>(name: string, handler: EventHandler<T>): Unsubscribe;
  /** Ends the subscriptions of `name` that were made with `handler`; without it, all of `name`. */
  off(name: string, handler?: EventHandler<never>): void;
  /**
   * Publishes `plugin.<own name>.<name>` with `data`, any JSON value up to 256 KiB.
   * @returns the event's id, once the event is durable
   * @example
   * ```ts
   * // Others hear it as `plugin.<your name>.report.ready`.
   * await streamspace.events.emit('report.ready', { rows: 12 });
   * ```
   */
  emit(name: string, data?: unknown): Promise<string>;
}

/** What the core sends: the event as it was stored. */
interface Delivered extends EventInfo {
  readonly data: unknown;
}

interface Subscription {
  readonly name: string;
  readonly handler: EventHandler<never>;
  readonly end: Unsubscribe;
}

export function createEvents(host: GuestHost): EventsApi {
  const subscriptions = new Set<Subscription>();

  function subscribe<T>(
    name: string,
    handler: EventHandler<T>,
    once: boolean,
    { orderBy, concurrency }: SubscriptionOptions = {},
  ): Unsubscribe {
    if (typeof handler !== 'function') throw new TypeError('events.on: the handler is not a function');
    let ended = false;
    let id: number | undefined;
    let taken = false;
    const run = async (delivered: Delivered): Promise<void> => {
      if (ended || taken) return;
      taken = once;
      try {
        const { data, ...event } = delivered;
        await handler(data as T, event);
      } catch (error) {
        taken = false;
        throw error;
      }
      if (once) end();
    };
    const input = {
      ...{ pattern: name, once },
      ...(orderBy === undefined ? {} : { orderBy }),
      ...(concurrency === undefined ? {} : { concurrency }),
    };
    const registered: Registered<{ id: number }> = host.register('events.on', input, run);
    const end = (): void => {
      if (ended) return;
      ended = true;
      subscriptions.delete(subscription);
      registered.release();
      if (id !== undefined) host.send('events.off', { id });
    };
    void settle(
      registered.done,
      (registration) => {
        id = registration.id;
        if (ended) host.send('events.off', { id });
      },
      // The host tells the author of a refusal.
      () => {
        subscriptions.delete(subscription);
      },
    );
    const subscription: Subscription = { name, handler, end };
    subscriptions.add(subscription);
    return end;
  }

  return {
    on: (name: string, handler: EventHandler<never>, options?: SubscriptionOptions) =>
      subscribe(name, handler, false, options),
    once: (name: string, handler: EventHandler<never>) => subscribe(name, handler, true),
    off(name, handler) {
      for (const subscription of [...subscriptions]) {
        if (subscription.name === name && (handler === undefined || subscription.handler === handler))
          subscription.end();
      }
    },
    async emit(name, data = null) {
      assertJson(data, 'data');
      const { id } = await host.call<{ id: string }>('events.emit', { name, data });
      return id;
    },
  };
}
