import { type GuestHost, type Invocation, settle } from '../_kit/guest.ts';
import { assertJson } from '../_kit/json.ts';

/** What a job learns of its run. */
export interface JobRun {
  readonly name: string;
  /** The tick that it runs for: ISO 8601, UTC. */
  readonly scheduledAt: string;
  /** True when it makes up for ticks that were missed while the platform was down. */
  readonly catchUp: boolean;
  /** Number of the run, as admins see it. */
  readonly id: number;
  /** From 1; more when it is tried again (`retries`). */
  readonly attempt: number;
  /** Aborted when the run overruns its deadline or the plugin is stopped. */
  readonly signal: AbortSignal;
}

export type JobHandler = (run: JobRun) => unknown;

export interface JobOptions {
  /**
   * Letters, digits, `_ . : -`, up to 64. What is known of the job (its last run) is kept by its name.
   * @default `job-<n>`, by the order in which jobs are added
   */
  readonly name?: string;
  /**
   * When a run is due while the last one still runs, on whichever machine: leave it out, let it wait, or run both.
   * @default 'skip'
   */
  readonly overlap?: 'skip' | 'queue' | 'allow';
  /**
   * When ticks were missed while the platform was down: make up for none, for the last one (`true`), or for all (the
   * newest 100, one after the other). Needs a `name`.
   * @default 'none'
   */
  readonly catchUp?: boolean | 'none' | 'last' | 'all';
  /**
   * Puts off each tick by a time below this (milliseconds, or `'30s'`; up to an hour), always the same for this job: so
   * not all jobs of an hour begin at once.
   * @default 0
   */
  readonly jitter?: number | string;
  /**
   * How often a run that failed, or whose machine was lost, is tried again, after 10 s and twice as long each time: 0 to 5.
   * @default 0
   */
  readonly retries?: number;
}

export interface CronOptions extends JobOptions {
  /**
   * IANA time zone of the pattern, such as `Europe/Berlin`.
   * @default 'UTC'
   */
  readonly timezone?: string;
}

/** Ends the job; a second call does nothing. */
export type Cancel = () => void;

/** `streamspace.scheduler`: run functions at times or intervals. */
export interface SchedulerApi {
  /**
   * Runs `handler` at the times of `cron`: 5 fields (minute hour day month weekday), 6 with seconds first, or an alias
   * (`@hourly`, `@daily`, `@weekly`, `@monthly`, `@yearly`). A time that a clock change skips runs right after it, one
   * that it repeats runs once. Call it while the plugin loads: a refusal then fails the load.
   *
   * @example
   * ```ts
   * streamspace.scheduler.schedule('0 6 * * MON-FRI', ({ scheduledAt }) => streamspace.log.info('due', { scheduledAt }), {
   *   name: 'morning-report',
   *   timezone: 'Europe/Berlin',
   *   catchUp: true,
   * });
   * ```
   */
  schedule(cron: string, handler: JobHandler, options?: CronOptions): Cancel;
  /**
   * Runs `handler` every `interval`: milliseconds, or text such as `'30s'`, `'5m'`, `'1.5h'`, `'1d'`; at least a second.
   * The first run comes one interval after the first load; a reload or restart keeps the beat.
   *
   * @example
   * ```ts
   * const { fetch, scheduler } = streamspace;
   * scheduler.every('5m', ({ signal }) => fetch('https://status.example.com/', { signal }), { name: 'poll' });
   * ```
   */
  every(interval: number | string, handler: JobHandler, options?: JobOptions): Cancel;
  /**
   * Ends the job of that name.
   * @returns whether there was one
   * @example
   * ```ts
   * streamspace.scheduler.cancel('poll');
   * ```
   */
  cancel(name: string): boolean;
}

export function createScheduler(host: GuestHost): SchedulerApi {
  const jobs = new Map<string, Cancel>();
  let added = 0;

  function add(call: string, input: object, handler: JobHandler, options: JobOptions): Cancel {
    if (typeof handler !== 'function') throw new TypeError(`${call}: the handler is not a function`);
    const { overlap = 'skip', catchUp = false, jitter = 0, retries = 0 } = options;
    if (catchUp && catchUp !== 'none' && options.name === undefined)
      throw new TypeError(`${call}: catchUp needs a name`);
    added += 1;
    const name = options.name ?? `job-${added}`;
    assertJson({ ...input, name }, call);
    let ended = false;
    let id: number | undefined;
    const run = async (job: Omit<JobRun, 'signal'>, { signal }: Invocation): Promise<void> => {
      // Its answer is nobody's: what it returns does not cross to the core.
      await handler({ ...job, signal });
    };
    const registered = host.register<{ id: number }>(call, { ...input, name, overlap, catchUp, jitter, retries }, run);
    const cancel = (): void => {
      if (ended) return;
      ended = true;
      if (jobs.get(name) === cancel) jobs.delete(name);
      registered.release();
      if (id !== undefined) host.send('scheduler.cancel', { id });
    };
    void settle(
      registered.done,
      (registration) => {
        id = registration.id;
        if (ended) host.send('scheduler.cancel', { id });
      },
      // The host tells the author of a refusal.
      () => {
        if (jobs.get(name) === cancel) jobs.delete(name);
      },
    );
    // The first of a name stays: the core refuses the second.
    if (!jobs.has(name)) jobs.set(name, cancel);
    return cancel;
  }

  return {
    schedule: (cron, handler, { timezone = 'UTC', ...options } = {}) =>
      add('scheduler.schedule', { cron, timezone }, handler, options),
    every: (interval, handler, options = {}) => add('scheduler.every', { interval }, handler, options),
    cancel(name) {
      const cancel = jobs.get(name);
      cancel?.();
      return cancel !== undefined;
    },
  };
}
