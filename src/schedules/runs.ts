import { CodedError } from '../../sandbox-apis/_kit/errors.ts';
import { describeFailure } from '../events/failure.ts';
import { untilAborted } from '../events/waiting.ts';
import type { Clock, ScheduleLimits } from './limits.ts';
import type { StoreClock } from './store-clock.ts';
import type { ClaimedRun, RunEnd } from './tick-store.ts';
import type { SchedulesDeps } from './types.ts';

interface Live {
  readonly run: ClaimedRun;
  readonly abort: AbortController;
  readonly settled: Promise<void>;
  /** By this core's own clock. */
  leaseEndsAt: number;
  /** Whether it may be tried again when it is aborted. */
  again: boolean;
}

export interface Outcome {
  readonly state: RunEnd['state'];
  /** What was thrown; null when it ended well. */
  readonly error: unknown;
  readonly durationMs: number;
}

type Deps = Pick<SchedulesDeps, 'store' | 'log' | 'runner' | 'metrics' | 'lines'> & {
  readonly clock: Clock;
  readonly time: StoreClock;
  readonly limits: ScheduleLimits;
};

/** `file:line:column` of a frame. */
const PLACE = /^\s+at (?:.*\()?([^\s()]+:\d+:\d+)\)?$/;
/** Of a stack that a plugin wrote: what is longer is no frame. */
const FRAMES = 50;
const FRAME_CHARS = 300;

/** The runs that this core has: each with its deadline, its lease, and its end in the store. */
export class Runs {
  readonly #deps: Deps;
  readonly #live = new Map<number, Live>();
  #disarm: (() => void) | null = null;

  constructor(deps: Deps) {
    this.#deps = deps;
  }

  /** How many of a job go on here. */
  count(plugin: string, job: string): number {
    let count = 0;
    for (const { run } of this.#live.values()) if (run.plugin === plugin && run.job === job) count += 1;
    return count;
  }

  /**
   * Runs what was claimed; answers when its end is noted (or could not be). Never rejects.
   * @param askedAt when the claim was asked for, by this core's clock: one whose lease may be over by now does not begin
   */
  start(run: ClaimedRun, askedAt: number): Promise<Outcome> {
    const { clock, limits } = this.#deps;
    const settled = Promise.withResolvers<void>();
    const abort = new AbortController();
    const leaseEndsAt = askedAt + limits.leaseMs;
    const live: Live = { run, abort, settled: settled.promise, leaseEndsAt, again: true };
    this.#live.set(run.id, live);
    if (clock.now() < askedAt || clock.now() >= leaseEndsAt) {
      abort.abort(new CodedError('aborted', 'The claim of the run was answered too late'));
    }
    this.#disarm ??= clock.after(limits.keepMs, () => void this.#keep());
    return this.#go(live).finally(settled.resolve);
  }

  /** Aborts the runs of a plugin, or of all; those may be tried again. */
  abort(reason: CodedError, plugin: string | null = null): void {
    for (const live of this.#live.values()) {
      if (plugin !== null && live.run.plugin !== plugin) continue;
      live.again = plugin === null;
      live.abort.abort(reason);
    }
  }

  /** When the runs that are going on have ended and are noted. */
  async settled(): Promise<void> {
    await Promise.all([...this.#live.values()].map((live) => live.settled));
  }

  async #go(live: Live): Promise<Outcome> {
    const { clock, limits, lines, log, metrics, runner } = this.#deps;
    const { run, abort } = live;
    const { plugin, job, id, attempt } = run;
    const overrun = new CodedError('deadline_exceeded', `The job took longer than ${limits.runDeadlineMs} ms`);
    const disarm = clock.after(limits.runDeadlineMs, () => abort.abort(overrun));
    const mark = lines?.mark(plugin) ?? 0;
    const began = clock.now();
    metrics?.began(plugin, run.trigger === 'tick' && attempt === 1 ? Math.max(0, run.startedAt - run.dueAt) : null);
    const scheduledAt = new Date(run.tick ?? run.startedAt).toISOString();
    const info = { name: job, scheduledAt, catchUp: run.trigger === 'catch-up', id, attempt };
    let state: RunEnd['state'] = 'ok';
    let error: unknown = null;
    try {
      await untilAborted(abort.signal, () => runner.run(plugin, info, abort.signal));
    } catch (thrown) {
      error = thrown;
      const isStopped = abort.signal.aborted && abort.signal.reason !== overrun;
      state = isStopped ? 'aborted' : 'failed';
      log.warn({ plugin, job, run: id, err: thrown }, isStopped ? 'job aborted' : 'job failed');
    }
    disarm();
    // By its own clock, which a correction of the offset does not bend.
    const durationMs = Math.max(0, clock.now() - began);
    metrics?.ended(plugin, state, durationMs);
    await this.#finish(live, {
      state,
      error: state === 'ok' ? null : describeFailure(error),
      place: placeOf(error),
      log: lines?.since(plugin, mark) ?? [],
      again: live.again,
    });
    this.#live.delete(id);
    return { state, error, durationMs };
  }

  async #finish({ run }: Live, end: RunEnd): Promise<void> {
    const { clock, limits, log, store } = this.#deps;
    for (let tries = 1; ; tries += 1) {
      try {
        if (!(await store.finish(run, end))) {
          log.warn({ plugin: run.plugin, job: run.job, run: run.id }, 'a run ended after its lease; it counts as lost');
        }
        return;
      } catch (err) {
        if (tries === limits.endTries) {
          log.error({ plugin: run.plugin, job: run.job, run: run.id, err }, 'cannot note how a run ended');
          return;
        }
        await new Promise<void>((resolve) => clock.after(limits.againMs, resolve));
      }
    }
  }

  /** Keeps the leases. A run whose lease is over is aborted: another core may begin it again. */
  async #keep(): Promise<void> {
    const { clock, limits, log, store } = this.#deps;
    const leaseEndsAt = clock.now() + limits.leaseMs;
    const ids = [...this.#live.keys()];
    let kept: ReadonlySet<number> | null = null;
    try {
      if (ids.length > 0) kept = await store.keep(ids);
    } catch (err) {
      log.warn({ runs: ids.length, err }, 'leases of runs could not be kept');
    }
    for (const id of ids) {
      const live = this.#live.get(id);
      if (live === undefined) continue;
      if (kept?.has(id)) live.leaseEndsAt = leaseEndsAt;
      else if (kept !== null || clock.now() >= live.leaseEndsAt) {
        live.abort.abort(new CodedError('aborted', 'The lease of the run is over'));
      }
    }
    this.#disarm = this.#live.size === 0 ? null : clock.after(limits.keepMs, () => void this.#keep());
  }
}

function placeOf(error: unknown): string | null {
  const stack = error instanceof CodedError ? error.extra.stack : null;
  if (typeof stack !== 'string') return null;
  for (const line of stack.split('\n', FRAMES)) {
    const place = line.length <= FRAME_CHARS ? PLACE.exec(line)?.[1] : undefined;
    if (place !== undefined) return place;
  }
  return null;
}
