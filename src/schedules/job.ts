import { CodedError } from '../../sandbox-apis/_kit/errors.ts';
import type { JobRegistration } from '../../sandbox-apis/_kit/registrations.ts';
import { tickAfter, tickUpTo } from '../../sandbox-apis/scheduler/when.ts';
import { describeFailure } from '../events/failure.ts';
import { untilAborted } from '../events/waiting.ts';
import { type JobRow, saveOutcome, saveTick } from './job-rows.ts';
import type { JobDeps, JobStatus } from './types.ts';

const STILL_RUNNING = 'job is still running: this run is left out';

/** One job of one plugin: its timer and its runs. */
export class Job {
  readonly #deps: JobDeps;
  readonly #plugin: string;
  readonly #addedAt: number;
  readonly #runs = new Set<AbortController>();
  /** What `settled` waits for: runs with their notes. */
  readonly #unsettled = new Set<Promise<void>>();
  #notes = Promise.resolve();
  #registration: JobRegistration;
  #origin: number;
  #nextAt: number | null = null;
  #disarm: (() => void) | undefined;
  #ended = false;
  /** Its last tick was skipped because the plugin's scheduler is switched off: said once, not each second. */
  #resting = false;
  #last: Pick<JobRow, 'lastRunAt' | 'lastDurationMs' | 'lastError'> = {
    lastRunAt: null,
    lastDurationMs: null,
    lastError: null,
  };

  constructor(deps: JobDeps, plugin: string, registration: JobRegistration, addedAt: number) {
    this.#deps = deps;
    this.#plugin = plugin;
    this.#registration = registration;
    this.#addedAt = addedAt;
    this.#origin = addedAt;
  }

  get when(): JobRegistration['when'] {
    return this.#registration.when;
  }

  /** Replaces the options of a job whose time is the same; its timer and runs go on. */
  adopt(registration: JobRegistration): void {
    this.#registration = registration;
  }

  /** Starts the timer. Ticks since the job was added are not lost; older ones are made up for by one run if it asks so. */
  arm(row: JobRow | undefined): void {
    if (this.#ended) return;
    if (row) {
      this.#last = row;
      this.#origin = row.tickedAt.getTime();
    }
    const missed = tickUpTo(this.when, this.#addedAt, this.#origin);
    if (this.#registration.catchUp && missed !== null && missed > this.#origin) this.#tick(missed, true);
    this.#nextAt = tickAfter(this.when, this.#addedAt, this.#origin);
    this.#sleep();
  }

  /** No more ticks; runs go on unless a reason to abort them is given. */
  end(reason?: CodedError): void {
    this.#ended = true;
    this.#nextAt = null;
    this.#disarm?.();
    if (reason) for (const abort of this.#runs) abort.abort(reason);
  }

  /** When the runs that are going on have ended and are noted; never rejects. */
  async settled(): Promise<void> {
    await Promise.allSettled(this.#unsettled);
    await this.#notes;
  }

  /**
   * Runs it now, beside its ticks; rejects with the error of the run.
   * @throws CodedError `conflict` when it runs already and may not overlap, `capability_off`
   */
  async runNow(): Promise<void> {
    if (this.#deps.runner.rests?.(this.#plugin)) {
      throw new CodedError('capability_off', `The jobs of ${this.#plugin} are switched off`, {
        capability: 'scheduler',
      });
    }
    if (this.#full()) throw new CodedError('conflict', `The job ${this.#registration.name} is running`);
    await this.#run(this.#deps.clock.now(), false, null);
  }

  status(): JobStatus {
    const { name, overlap, catchUp } = this.#registration;
    const iso = (ms: number | null) => (ms === null ? null : new Date(ms).toISOString());
    return {
      name,
      cron: 'cron' in this.when ? this.when.cron : null,
      timezone: 'cron' in this.when ? this.when.timezone : null,
      everyMs: 'everyMs' in this.when ? this.when.everyMs : null,
      overlap,
      catchUp,
      nextRunAt: iso(this.#nextAt),
      lastRunAt: iso(this.#last.lastRunAt?.getTime() ?? null),
      lastDurationMs: this.#last.lastDurationMs,
      lastError: this.#last.lastError,
      running: this.#runs.size > 0,
    };
  }

  #sleep(): void {
    if (this.#nextAt === null) return;
    const { clock, limits } = this.#deps;
    const ms = Math.min(Math.max(0, this.#nextAt - clock.now()), limits.maxSleepMs);
    this.#disarm = clock.after(ms, () => this.#wake());
  }

  #wake(): void {
    const now = this.#deps.clock.now();
    // Timers may come a little early, and long sleeps are cut.
    if (this.#nextAt !== null && now >= this.#nextAt) {
      const tick = this.#nextAt;
      this.#nextAt = tickAfter(this.when, now, tick);
      this.#tick(tick, false);
    }
    this.#sleep();
  }

  #tick(tick: number, catchUp: boolean): void {
    const { name } = this.#registration;
    this.#origin = tick;
    const resting = this.#deps.runner.rests?.(this.#plugin) === true;
    const wasResting = this.#resting;
    this.#resting = resting;
    if (resting || this.#full()) {
      const why = resting ? 'jobs of the plugin are switched off: runs are left out until they are on' : STILL_RUNNING;
      if (!(resting && wasResting)) this.#deps.log.info({ plugin: this.#plugin, job: name }, why);
      void this.#note(() => saveTick(this.#deps.db, this.#plugin, name, new Date(tick), null));
      return;
    }
    this.#run(tick, catchUp, tick).catch((err) => {
      this.#deps.log.warn({ plugin: this.#plugin, job: name, err }, 'job failed');
    });
  }

  #full(): boolean {
    return this.#runs.size >= (this.#registration.overlap === 'skip' ? 1 : this.#deps.limits.overlapping);
  }

  async #run(at: number, catchUp: boolean, tick: number | null): Promise<void> {
    const run = this.#attempt({ scheduledAt: new Date(at).toISOString(), catchUp }, tick);
    this.#unsettled.add(run);
    try {
      await run;
    } finally {
      this.#unsettled.delete(run);
    }
  }

  async #attempt(
    info: { readonly scheduledAt: string; readonly catchUp: boolean },
    tick: number | null,
  ): Promise<void> {
    const { db, runner, clock, limits } = this.#deps;
    const { name } = this.#registration;
    const abort = new AbortController();
    this.#runs.add(abort);
    const overrun = new CodedError('deadline_exceeded', `The job took longer than ${limits.runDeadlineMs} ms`);
    const disarm = clock.after(limits.runDeadlineMs, () => abort.abort(overrun));
    const beganAt = new Date(clock.now());
    this.#last = { ...this.#last, lastRunAt: beganAt };
    const work = untilAborted(abort.signal, () => runner.run(this.#plugin, { name, ...info }, abort.signal));
    const accounted = new Date(tick ?? this.#origin);
    void this.#note(() => saveTick(db, this.#plugin, name, accounted, beganAt));
    let lastError: string | null = null;
    try {
      await work;
    } catch (error) {
      lastError = describeFailure(error);
      throw error;
    } finally {
      disarm();
      this.#runs.delete(abort);
      const lastDurationMs = clock.now() - beganAt.getTime();
      this.#last = { ...this.#last, lastDurationMs, lastError };
      const outcome = { durationMs: lastDurationMs, error: lastError };
      await this.#note(() => saveOutcome(db, this.#plugin, name, outcome));
    }
  }

  /** Writes one after the other. They are for the reader and for catching up: a job runs even when they fail. */
  #note(write: () => Promise<void>): Promise<void> {
    this.#notes = this.#notes.then(write).catch((err) => {
      this.#deps.log.error({ plugin: this.#plugin, job: this.#registration.name, err }, 'cannot note a run');
    });
    return this.#notes;
  }
}
