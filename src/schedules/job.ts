import { CodedError } from '../../sandbox-apis/_kit/errors.ts';
import type { JobRegistration } from '../../sandbox-apis/_kit/registrations.ts';
import { jitterOf, tickAfter, ticksUpTo } from '../../sandbox-apis/scheduler/when.ts';
import { describeFailure } from '../events/failure.ts';
import type { Clock, ScheduleLimits } from './limits.ts';
import type { Runs } from './runs.ts';
import type { StoreClock } from './store-clock.ts';
import {
  type ClaimedRun,
  definitionOf,
  fingerprintOf,
  type JobDefinition,
  type JobKey,
  type StoredJob,
} from './tick-store.ts';
import type { JobStatus, SchedulesDeps, StartedRun } from './types.ts';

export interface JobDeps extends Pick<SchedulesDeps, 'store' | 'log' | 'runner' | 'metrics'> {
  readonly clock: Clock;
  readonly time: StoreClock;
  readonly limits: ScheduleLimits;
  readonly runs: Runs;
}

/** Doublings of the wait while the store does not answer: up to 16 times. */
const BACKOFF = 4;

/** One job of one plugin, as this core has it: its timer, and its ticks, which it claims in order. */
export class Job {
  readonly key: JobKey;
  readonly #deps: JobDeps;
  readonly #definition: JobDefinition;
  readonly #jitter: number;
  #anchor = 0;
  /** The next tick, without its jitter. */
  #nextAt: number | null = null;
  #disarm: (() => void) | null = null;
  #ended = false;
  #waking = false;
  #failures = 0;
  /** Whether runs may wait for their turn. */
  #mayWait = false;
  #draining = false;
  /** Its last tick was skipped because the plugin's scheduler is switched off: said once, not each second. */
  #resting = false;
  #stored: StoredJob | null = null;

  constructor(deps: JobDeps, plugin: string, digest: string, registration: JobRegistration) {
    this.#deps = deps;
    this.#definition = definitionOf(registration);
    this.#jitter = jitterOf(plugin, registration.name, registration.jitterMs);
    this.key = { plugin, name: registration.name, digest, fingerprint: fingerprintOf(this.#definition) };
  }

  get definition(): JobDefinition {
    return this.#definition;
  }

  /** Starts the timer: with the first tick that is not accounted for. */
  arm(stored: StoredJob): void {
    if (this.#ended) return;
    this.#stored = stored;
    this.#anchor = stored.anchorAt;
    this.#nextAt = tickAfter(this.#definition.when, stored.tickedAt, this.#anchor);
    void this.#wake();
  }

  get isArmed(): boolean {
    return this.#stored !== null;
  }

  /** Takes over what the store knows: other cores ran it, or an admin paused it there. */
  seen(stored: StoredJob, waiting: boolean): void {
    if (this.#ended || this.#stored === null) return;
    this.#stored = stored;
    if (!waiting) return;
    this.#mayWait = true;
    void this.#drain();
  }

  /** No more ticks; its runs go on. */
  end(): void {
    this.#ended = true;
    this.#nextAt = null;
    this.#disarm?.();
  }

  /** @throws CodedError `conflict` when it runs already and may not overlap, `capability_off` */
  async runNow(): Promise<StartedRun> {
    const { runner, store, time } = this.#deps;
    const { plugin, name } = this.key;
    if (runner.rests?.(plugin)) {
      throw new CodedError('capability_off', `The jobs of ${plugin} are switched off`, { capability: 'scheduler' });
    }
    const askedAt = this.#deps.clock.now();
    const answer = await time.ask(() => store.claimManual(this.key));
    switch (answer.kind) {
      case 'run':
        return { id: answer.run.id, state: 'running', ended: this.#start(answer.run, askedAt) };
      case 'queued':
        this.#mayWait = true;
        return { id: answer.id, state: 'queued', ended: null };
      case 'busy':
        throw new CodedError('conflict', `The job ${name} is running`);
      case 'stale':
        throw new CodedError('conflict', `The plugin ${plugin} is being changed: try again in a moment`);
    }
  }

  status(): JobStatus {
    const { name, when, overlap, catchUp, jitterMs, retries } = this.#definition;
    const iso = (ms: number | null | undefined) => (ms == null ? null : new Date(ms).toISOString());
    const next = this.#nextAt === null || this.#stored?.pausedAt != null ? null : this.#nextAt + this.#jitter;
    return {
      name,
      cron: 'cron' in when ? when.cron : null,
      timezone: 'cron' in when ? when.timezone : null,
      everyMs: 'everyMs' in when ? when.everyMs : null,
      overlap,
      catchUp,
      jitterMs,
      retries,
      pausedAt: iso(this.#stored?.pausedAt),
      nextRunAt: iso(next),
      lastRunAt: iso(this.#stored?.lastRunAt),
      lastDurationMs: this.#stored?.lastDurationMs ?? null,
      lastError: this.#stored?.lastError ?? null,
      running: this.#deps.runs.count(this.key.plugin, name) > 0,
    };
  }

  /** Claims what is due, tick by tick: two cores that do the same agree on each. */
  async #wake(): Promise<void> {
    if (this.#waking) return;
    this.#waking = true;
    const { limits, log, time } = this.#deps;
    try {
      for (;;) {
        const tick = this.#nextAt;
        if (this.#ended || tick === null) break;
        const lateMs = time.now() - (tick + this.#jitter);
        if (lateMs < 0) break;
        await (lateMs > limits.lateMs ? this.#miss(tick) : this.#claim(tick));
        this.#failures = 0;
      }
    } catch (err) {
      if (this.#failures === 0) log.warn({ ...this.#names(), err }, 'a tick could not be claimed; it is tried again');
      this.#failures += 1;
    }
    this.#waking = false;
    this.#sleep();
  }

  #sleep(): void {
    if (this.#ended || this.#nextAt === null) return;
    const { clock, limits, time } = this.#deps;
    // Timers may come a little early: never 0, or it would spin.
    const wait = Math.max(1, this.#nextAt + this.#jitter - time.now());
    const ms = this.#failures > 0 ? limits.againMs * 2 ** Math.min(this.#failures - 1, BACKOFF) : wait;
    this.#disarm?.();
    this.#disarm = clock.after(Math.min(Math.ceil(ms), limits.maxSleepMs), () => void this.#wake());
  }

  async #claim(tick: number): Promise<void> {
    const { log, metrics, runner, store, time } = this.#deps;
    const { plugin } = this.key;
    const resting = runner.rests?.(plugin) === true;
    const skip = resting ? 'capability_off: an admin switched the jobs of the plugin off' : null;
    const askedAt = this.#deps.clock.now();
    const answer = await time.ask(() => store.claimTick(this.key, { tick, dueAt: tick + this.#jitter, skip }));
    switch (answer.kind) {
      case 'early':
        // The clock is put right now; it is looked at again in time.
        return;
      case 'run':
        void this.#start(answer.run, askedAt);
        break;
      case 'queued':
        this.#mayWait = true;
        break;
      case 'skipped':
        metrics?.ended(plugin, 'skipped', null);
        if (!resting) log.info(this.#names(), 'job is still running: this run is left out');
        break;
      case 'taken':
      case 'paused':
      case 'stale':
        break;
    }
    if (resting && !this.#resting) {
      log.info(this.#names(), 'jobs of the plugin are switched off: runs are left out until they are on');
    }
    this.#resting = resting;
    this.#pass(tick);
  }

  /** Ticks that nobody looked at in time: made up for as the job says. */
  async #miss(from: number): Promise<void> {
    const { limits, runner, store, time } = this.#deps;
    const { when, catchUp } = this.#definition;
    const count = { none: 0, last: 1, all: limits.catchUps }[runner.rests?.(this.key.plugin) ? 'none' : catchUp];
    // The last that is late; what came after it is due.
    const until = Math.ceil(time.now()) - limits.lateMs - 1 - this.#jitter;
    const ticks = ticksUpTo(when, until, this.#anchor, Math.max(1, count)).filter((tick) => tick >= from);
    const upTo = ticks.at(-1);
    if (upTo === undefined) {
      this.#pass(from);
      return;
    }
    const missed = { ticks: count === 0 ? [] : ticks, upTo, dueAt: upTo + this.#jitter };
    const answer = await time.ask(() => store.noteMissed(this.key, missed));
    if (answer.kind === 'early') return;
    this.#pass(upTo);
    if (answer.kind !== 'noted' || count === 0) return;
    this.#mayWait = true;
    void this.#drain();
  }

  #pass(tick: number): void {
    if (!this.#ended) this.#nextAt = tickAfter(this.#definition.when, tick, this.#anchor);
  }

  /** Begins runs that waited, as far as they may begin now. */
  async #drain(): Promise<void> {
    if (this.#draining || this.#ended) return;
    this.#draining = true;
    const { log, store, time } = this.#deps;
    try {
      for (;;) {
        const askedAt = this.#deps.clock.now();
        const answer = await time.ask(() => store.claimQueued(this.key));
        if (answer.kind === 'none' || answer.kind === 'stale') this.#mayWait = false;
        if (answer.kind !== 'run') break;
        void this.#start(answer.run, askedAt);
      }
    } catch (err) {
      // The next look finds what waits.
      log.warn({ ...this.#names(), err }, 'runs that wait could not be claimed');
    }
    this.#draining = false;
  }

  async #start(run: ClaimedRun, askedAt: number) {
    if (this.#stored !== null) this.#stored = { ...this.#stored, lastRunAt: run.startedAt };
    const { state, error, durationMs } = await this.#deps.runs.start(run, askedAt);
    if (this.#stored?.lastRunAt === run.startedAt) {
      const lastError = state === 'ok' ? null : describeFailure(error);
      this.#stored = { ...this.#stored, lastDurationMs: durationMs, lastError };
    }
    if (this.#mayWait || this.#definition.overlap === 'queue') await this.#drain();
    return { state, error };
  }

  #names() {
    return { plugin: this.key.plugin, job: this.key.name };
  }
}
