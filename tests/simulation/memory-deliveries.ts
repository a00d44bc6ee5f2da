import { patternsMatching } from '../../sandbox-apis/events/patterns.ts';
import type { Claim, DeliveryStore, Due } from '../../src/events/delivery-store.ts';
import type { MemoryPlugins } from './memory-plugins.ts';

export interface MemorySubscription {
  readonly pattern: string;
  /** Path below the event's data: what has the same value there comes one after the other. */
  readonly orderBy?: string;
  readonly concurrency?: number;
}

/** A row of `deliveries`. */
export interface DeliveryRow {
  readonly id: number;
  readonly plugin: string;
  readonly key: string | null;
  readonly event: Claim['event'];
  state: 'pending' | 'done' | 'dead';
  attempts: number;
  /** When it may be tried; while it is held, the end of the lease. */
  dueAt: number;
  owner: string | null;
  lastError: string | null;
}

/** Hears what happens to the rows, as it happens. */
export interface DeliveryWatch {
  stored?(row: DeliveryRow): void;
  claimed?(row: DeliveryRow, owner: string): void;
  ended?(row: DeliveryRow): void;
}

export interface MemoryDeliveriesDeps {
  /** The store's clock: milliseconds since the epoch. */
  readonly now: () => number;
  readonly plugins: MemoryPlugins;
  readonly watch?: DeliveryWatch;
}

/**
 * Events, subscriptions and deliveries in memory: what `DeliveryStore` promises, written down as plainly as can be. Each
 * call is one transaction.
 */
export class MemoryDeliveries implements DeliveryStore {
  readonly rows = new Map<number, DeliveryRow>();
  readonly #deps: MemoryDeliveriesDeps;
  readonly #subscriptions = new Map<string, readonly MemorySubscription[]>();
  /** Those that are pending, by their ids: a Map keeps the order. */
  readonly #pending = new Map<number, DeliveryRow>();
  #ids = 0;

  constructor(deps: MemoryDeliveriesDeps) {
    this.#deps = deps;
    deps.plugins.onDelete((plugin) => {
      this.#subscriptions.delete(plugin);
      for (const row of this.rows.values()) if (row.plugin === plugin) this.drop(row.id);
    });
  }

  subscribe(plugin: string, subscriptions: readonly MemorySubscription[]): void {
    this.#subscriptions.set(plugin, subscriptions);
  }

  /** Stores an event with its deliveries; answers the plugins that get one. */
  publish(event: { readonly id: string; readonly name: string; readonly data: unknown }): string[] {
    const matching = patternsMatching(event.name);
    const now = this.#deps.now();
    const told: string[] = [];
    for (const [plugin, subscriptions] of this.#subscriptions) {
      const found = subscriptions.filter(({ pattern }) => matching.includes(pattern));
      if (found.length === 0) continue;
      found.sort((a, b) => b.pattern.length - a.pattern.length);
      const path = found.find(({ orderBy }) => orderBy !== undefined)?.orderBy;
      const row: DeliveryRow = {
        id: ++this.#ids,
        plugin,
        key: path === undefined ? null : keyAt(event.data, path),
        event: { ...event, time: new Date(now).toISOString() },
        state: 'pending',
        attempts: 0,
        dueAt: now,
        owner: null,
        lastError: null,
      };
      this.rows.set(row.id, row);
      this.#pending.set(row.id, row);
      this.#deps.watch?.stored?.(row);
      told.push(plugin);
    }
    return told;
  }

  /** Makes a settled delivery pending again. */
  redeliver(id: number): void {
    const row = this.rows.get(id);
    if (row === undefined || row.state === 'pending') return;
    Object.assign(row, { state: 'pending', attempts: 0, dueAt: this.#deps.now(), owner: null });
    this.#pending.set(id, row);
    const inOrder = [...this.#pending].sort(([a], [b]) => a - b);
    this.#pending.clear();
    for (const [id, row] of inOrder) this.#pending.set(id, row);
  }

  drop(id: number): void {
    this.rows.delete(id);
    this.#pending.delete(id);
  }

  async nextDue(): Promise<Due[]> {
    const now = this.#deps.now();
    const first = new Map<string, number>();
    for (const row of this.#pending.values()) {
      if (!this.#deps.plugins.rows.has(row.plugin)) continue;
      const dueAt = this.turnAt(row);
      if (dueAt < (first.get(row.plugin) ?? Number.POSITIVE_INFINITY)) first.set(row.plugin, dueAt);
    }
    return [...first].map(([plugin, dueAt]) => ({ plugin, inMs: dueAt - now }));
  }

  async claim(owner: string, slots: ReadonlyMap<string, number>, leaseMs: number): Promise<Claim[]> {
    const now = this.#deps.now();
    const claims: Claim[] = [];
    for (const [plugin, wanted] of slots) {
      let free = Math.min(wanted, this.#room(plugin));
      // A copy: those that it looks at change.
      const due = [...this.#pending.values()].filter((row) => row.plugin === plugin && row.dueAt <= now);
      due.sort((a, b) => a.dueAt - b.dueAt || a.id - b.id);
      for (const row of due) {
        if (free <= 0) break;
        if (this.turnAt(row) > now) continue;
        free--;
        row.owner = owner;
        row.attempts++;
        row.dueAt = now + leaseMs;
        this.#deps.watch?.claimed?.(row, owner);
        claims.push({ delivery: row.id, plugin, attempt: row.attempts, key: row.key, event: row.event });
      }
    }
    return claims.sort((a, b) => a.delivery - b.delivery);
  }

  async settle(held: readonly Claim[]): Promise<void> {
    for (const { delivery } of held) {
      const row = this.#pending.get(delivery);
      if (row) this.#end(row, 'done', null);
    }
  }

  async bury(owner: string, held: Claim, error: string): Promise<void> {
    const row = this.heldRow(owner, held);
    if (row) this.#end(row, 'dead', error);
  }

  async retry(owner: string, held: Claim, error: string, inMs: number): Promise<void> {
    const row = this.heldRow(owner, held);
    if (row) Object.assign(row, { lastError: error, owner: null, dueAt: this.#deps.now() + inMs });
  }

  async release(owner: string, held: Claim, counted: boolean, inMs: number): Promise<void> {
    const row = this.heldRow(owner, held);
    if (!row) return;
    Object.assign(row, { owner: null, dueAt: this.#deps.now() + inMs, attempts: row.attempts - (counted ? 0 : 1) });
  }

  async tidy(): Promise<void> {
    for (const { id, plugin } of this.rows.values()) if (!this.#deps.plugins.rows.has(plugin)) this.drop(id);
  }

  /** What a claim holds, unless it was lost. */
  protected heldRow(owner: string, { delivery, attempt }: Claim): DeliveryRow | undefined {
    const row = this.#pending.get(delivery);
    return row?.owner === owner && row.attempts === attempt ? row : undefined;
  }

  /** When a pending delivery may be claimed: of a key the first, and when no other of it is held. */
  protected turnAt(row: DeliveryRow): number {
    if (row.key === null) return row.dueAt;
    let at = row.dueAt;
    for (const other of this.#pending.values()) {
      if (other === row || other.plugin !== row.plugin || other.key !== row.key) continue;
      if (other.id < row.id) return Number.POSITIVE_INFINITY;
      if (this.#isHeld(other)) at = Math.max(at, other.dueAt);
    }
    return at;
  }

  /** The most deliveries of a plugin at a time. */
  concurrencyOf(plugin: string): number {
    return Math.min(
      ...(this.#subscriptions.get(plugin) ?? []).map(({ concurrency = Number.POSITIVE_INFINITY }) => concurrency),
    );
  }

  /** How many more of a plugin may be held. */
  #room(plugin: string): number {
    const held = [...this.#pending.values()].filter((row) => row.plugin === plugin && this.#isHeld(row));
    return this.concurrencyOf(plugin) - held.length;
  }

  #isHeld(row: DeliveryRow): boolean {
    return row.owner !== null && row.dueAt > this.#deps.now();
  }

  #end(row: DeliveryRow, state: 'done' | 'dead', error: string | null): void {
    this.#pending.delete(row.id);
    Object.assign(row, { state, owner: null, lastError: error ?? row.lastError });
    this.#deps.watch?.ended?.(row);
  }
}

/** The value at a path as text, as Postgres' `#>>` gives it; null when there is none. */
function keyAt(data: unknown, path: string): string | null {
  let value = data;
  for (const step of path.split('.')) {
    if (typeof value !== 'object' || value === null) return null;
    value = (value as Readonly<Record<string, unknown>>)[step];
  }
  if (value === undefined || value === null) return null;
  return typeof value === 'string' ? value : JSON.stringify(value);
}
