import type { Log } from '../log.ts';
import type { Clock } from '../schedules/limits.ts';
import type { Claim, DeliveryStore } from './delivery-store.ts';
import type { DeliveryLimits } from './limits.ts';

export interface SettlerDeps {
  readonly store: Pick<DeliveryStore, 'settle'>;
  readonly log: Log;
  readonly clock: Clock;
  readonly limits: Pick<DeliveryLimits, 'settleBatch' | 'settleRetryMs' | 'leaseMarginMs'>;
}

interface Waiting {
  readonly held: Claim;
  readonly giveUpAt: number;
  readonly resolve: () => void;
  readonly reject: (reason: unknown) => void;
}

/**
 * Records successes, many in one statement: while one is under way the next gather, and a lone one does not wait. From a
 * handler's success to its record is where a crash makes a delivery come twice, and the only place; a database that is
 * away for less than the lease's margin does not.
 */
export class Settler {
  readonly #deps: SettlerDeps;
  #waiting: Waiting[] = [];
  #writing = false;
  #stopped = false;
  #endPause: (() => void) | null = null;

  constructor(deps: SettlerDeps) {
    this.#deps = deps;
  }

  /** Resolves once the success is durable; rejects when it could not be recorded, and the delivery will come again. */
  settle(held: Claim): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const { clock, limits } = this.#deps;
    this.#waiting.push({ held, resolve, reject, giveUpAt: clock.now() + limits.leaseMarginMs });
    if (!this.#writing) void this.#write();
    return promise;
  }

  /** Tries what waits once more, and then no longer. */
  stop(): void {
    this.#stopped = true;
    this.#endPause?.();
  }

  async #write(): Promise<void> {
    const { store, log, limits } = this.#deps;
    this.#writing = true;
    while (this.#waiting.length > 0) {
      const batch = this.#waiting.splice(0, limits.settleBatch);
      try {
        await store.settle(batch.map(({ held }) => held));
        for (const { resolve } of batch) resolve();
      } catch (error) {
        const last = this.#stopped;
        log.warn({ err: error, deliveries: batch.length }, 'successes of deliveries are not recorded yet');
        this.#keep(batch, error, last);
        if (!last) await this.#pause();
      }
    }
    this.#writing = false;
  }

  #keep(batch: readonly Waiting[], error: unknown, last: boolean): void {
    const now = this.#deps.clock.now();
    const isOver = ({ giveUpAt }: Waiting): boolean => last || giveUpAt <= now;
    for (const waiting of batch) if (isOver(waiting)) waiting.reject(error);
    this.#waiting.unshift(...batch.filter((waiting) => !isOver(waiting)));
  }

  async #pause(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const cancel = this.#deps.clock.after(this.#deps.limits.settleRetryMs, resolve);
    this.#endPause = resolve;
    await promise;
    this.#endPause = null;
    cancel();
  }
}
