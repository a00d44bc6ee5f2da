import type { Db } from '../db/client.ts';
import type { Log } from '../log.ts';
import { audit } from '../permissions/audit.ts';
import { BULK_LIMITS, noteStep, takeBulkJob } from './bulk-jobs.ts';
import { isBehind, step } from './bulk-step.ts';

export interface DeliveryJobsDeps {
  readonly db: Db;
  readonly log: Log;
  /** The dispatcher's: these plugins have something to deliver. */
  readonly poke: (plugins: readonly string[]) => void;
}

type Outcome = 'none' | 'progress' | 'waiting';

/**
 * Works on the bulk jobs of all plugins, in turn: each batch and the note of it are one transaction, so any core may do
 * the next one, and none is done twice or lost when a core dies.
 */
export class DeliveryJobs {
  readonly #deps: DeliveryJobsDeps;
  #running = false;
  #working: Promise<void> | null = null;
  #again = false;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(deps: DeliveryJobsDeps) {
    this.#deps = deps;
  }

  start(): void {
    this.#running = true;
    this.wake();
  }

  /** Waits for the batch under way. */
  async stop(): Promise<void> {
    this.#running = false;
    clearTimeout(this.#timer);
    await this.#working;
  }

  /** There is a job: look now. */
  wake(): void {
    this.#again = true;
    if (!this.#running || this.#working !== null) return;
    clearTimeout(this.#timer);
    this.#working = this.#work().then((inMs) => {
      this.#working = null;
      if (this.#running) this.#timer = setTimeout(() => this.wake(), this.#again ? 0 : inMs);
    });
  }

  /** @returns milliseconds until the next look */
  async #work(): Promise<number> {
    while (this.#running) {
      this.#again = false;
      try {
        const outcome = await this.batch();
        if (outcome !== 'progress') return outcome === 'none' ? BULK_LIMITS.pollMs : BULK_LIMITS.pauseMs;
      } catch (err) {
        this.#deps.log.error({ err }, 'a batch of a job on deliveries failed; trying again');
        return BULK_LIMITS.pollMs;
      }
    }
    return BULK_LIMITS.pollMs;
  }

  /** Does one batch of the job whose turn it is; `waiting` when its plugin is behind. */
  async batch(): Promise<Outcome> {
    const { db, poke } = this.#deps;
    const [outcome, plugin] = await db.transaction().execute(async (trx): Promise<[Outcome, string]> => {
      const job = await takeBulkJob(trx);
      if (job === null) return ['none', ''];
      if (job.kind !== 'drop' && (await isBehind(trx, job.plugin))) {
        await noteStep(trx, job.id, { looked: 0, changed: 0, cursor: null, done: false });
        return ['waiting', job.plugin];
      }
      const { looked, changed, last } = await step(trx, job);
      const done = looked < BULK_LIMITS.batch;
      await noteStep(trx, job.id, { looked, changed, cursor: last, done });
      if (done) {
        const detail = { job: job.id, looked: job.looked + looked, changed: job.changed + changed };
        const actor = { actorKind: 'user', actor: job.createdBy } as const;
        await audit(trx, { ...actor, action: `deliveries.${job.kind}.done`, target: job.plugin, detail });
      }
      return ['progress', job.plugin];
    });
    if (outcome === 'progress') poke([plugin]);
    return outcome;
  }
}
