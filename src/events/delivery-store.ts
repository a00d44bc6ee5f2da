/** A delivery that this process holds until `settle`, `bury`, `retry`, `release` or the end of the lease. */
export interface Claim {
  readonly delivery: number;
  readonly plugin: string;
  /** From 1. */
  readonly attempt: number;
  /** Deliveries of one plugin with the same key come one after the other; null: in no order. */
  readonly key: string | null;
  readonly event: { readonly id: string; readonly name: string; readonly data: unknown; readonly time: string };
}

/** A plugin with something pending, and the milliseconds until the first of it is due (negative: overdue). */
export interface Due {
  readonly plugin: string;
  readonly inMs: number;
}

/**
 * Where deliveries are kept, as the dispatcher needs it. The store's clock decides what is due and whose lease has ended;
 * every method may reject when the store is away, and has then done all of its work or none. What is done, dead or
 * dropped is never claimed again, and a delivery is held by one owner at a time.
 */
export interface DeliveryStore {
  /** Every installed plugin with something pending. What waits for its key's turn counts once it is its turn. */
  nextDue(): Promise<Due[]>;
  /**
   * Claims up to `slots` due deliveries of each plugin, oldest first, counts an attempt on each, and holds them for
   * `leaseMs`. Of each key only the first is claimed, and never two at a time; nor more of a plugin than its smallest
   * `concurrency`, over all owners.
   */
  claim(owner: string, slots: ReadonlyMap<string, number>, leaseMs: number): Promise<Claim[]>;
  /**
   * Their handlers have succeeded: they are done. Also when the lease has been lost meanwhile, unless the delivery has an
   * outcome already: what has succeeded need not run again.
   */
  settle(held: readonly Claim[]): Promise<void>;
  /** Ends a claim as a dead letter; its key goes on with the next. Nothing when the claim was lost meanwhile, as below. */
  bury(owner: string, held: Claim, error: string): Promise<void>;
  /** Gives a claim back to be tried again in `inMs`; its key waits for it. */
  retry(owner: string, held: Claim, error: string, inMs: number): Promise<void>;
  /** Gives a claim back without an error of the plugin; `counted`: whether the attempt had begun and so counts. */
  release(owner: string, held: Claim, counted: boolean, inMs: number): Promise<void>;
  /** Removes what is older than its retention and beyond the limits; wakes keys that a fault left asleep. */
  tidy(): Promise<void>;
}
