import { afterAll, afterEach, beforeEach } from 'bun:test';
import { sql } from 'kysely';
import type { JobRegistration } from '../../sandbox-apis/_kit/registrations.ts';
import type { Db } from '../../src/db/client.ts';
import { createLog } from '../../src/log.ts';
import { type Clock, SCHEDULE_LIMITS, type ScheduleLimits } from '../../src/schedules/limits.ts';
import { createSchedules, type Schedules } from '../../src/schedules/schedules.ts';
import { createSqlTickStore } from '../../src/schedules/sql-tick-store.ts';
import type { TickStore } from '../../src/schedules/tick-store.ts';
import type { RunInfo, SchedulesDeps } from '../../src/schedules/types.ts';
import { installPlugin, resetEvents } from '../events/plugins.ts';
import { testDatabase } from '../kit/postgres.ts';

/** What `installPlugin` says that a plugin's package is. */
export const DIGEST = 'none';

/** Time that stands still until it is moved; timers fire in order, each at its own time. */
export class FakeTime {
  #now: number;
  readonly #timers = new Set<{ readonly at: number; readonly fn: () => void }>();
  /** What was begun by timers and is not over: time waits for it. */
  readonly #work = new Set<Promise<unknown>>();

  constructor(start: string) {
    this.#now = Date.parse(start);
  }

  now(): number {
    return this.#now;
  }

  /** The clock of one machine, which may be off. */
  clock(skewMs = 0): Clock {
    return {
      now: () => this.#now + skewMs,
      after: (ms, fn) => {
        const timer = { at: this.#now + ms, fn };
        this.#timers.add(timer);
        return () => this.#timers.delete(timer);
      },
    };
  }

  get timers(): number {
    return this.#timers.size;
  }

  /** Time waits for what the store is asked. */
  watch(store: TickStore): TickStore {
    return new Proxy(store, {
      get:
        (target, name: keyof TickStore) =>
        (...args: unknown[]) => {
          const work = (target[name] as (...args: unknown[]) => Promise<unknown>)(...args);
          this.#work.add(work);
          const done = () => this.#work.delete(work);
          work.then(done, done);
          return work;
        },
    });
  }

  /** Moves to a time, firing what is due on the way, and waits for what that begins. */
  async to(time: string | number): Promise<void> {
    const end = typeof time === 'number' ? time : Date.parse(time);
    await this.quiet();
    for (;;) {
      const at = Math.min(...[...this.#timers].map((timer) => timer.at));
      if (at > end || this.#timers.size === 0) break;
      this.#now = Math.max(this.#now, at);
      // All that are due in that moment at once: cores race each other.
      const due = [...this.#timers].filter((timer) => timer.at === at);
      for (const timer of due) {
        if (this.#timers.delete(timer)) timer.fn();
      }
      await this.quiet();
    }
    this.#now = Math.max(this.#now, end);
  }

  /** Sets the time without letting the timers know, as when all machines were off. */
  jump(time: string): void {
    this.#now = Date.parse(time);
  }

  /** When nothing is asked of a store any more. */
  async quiet(): Promise<void> {
    do {
      await Promise.allSettled(this.#work);
      await flush();
    } while (this.#work.size > 0);
  }
}

export interface Run extends RunInfo {
  readonly plugin: string;
  readonly signal: AbortSignal;
}

export interface SchedulesRig {
  readonly schedules: Schedules;
  readonly store: TickStore;
  readonly time: FakeTime;
  readonly runs: Run[];
  /** `HH:MM:SS` of the ticks that ran. */
  times(): string[];
  replace(jobs: readonly JobRegistration[], digest?: string): Promise<void>;
  /** Stops it, and lets the time pass that it waits for runs. */
  stop(): Promise<void>;
}

/** A database with the plugin `billing`, and cores over it that are stopped after each test. */
export async function setUpSchedules() {
  const { db, drop } = await testDatabase();
  const rigs: SchedulesRig[] = [];
  beforeEach(() => installPlugin(db, 'billing'));
  afterEach(async () => {
    for (const { stop } of rigs.splice(0)) await stop();
    await resetEvents(db);
  });
  afterAll(drop);
  return {
    db,
    rig(start: string | FakeTime, options: RigOptions = {}): SchedulesRig {
      const made = schedulesRig(db, start, options);
      rigs.push(made);
      return made;
    },
    jobRows: () => db.selectFrom('plugin_jobs').selectAll().orderBy('name').execute(),
    runRows: () => db.selectFrom('job_runs').selectAll().orderBy('id').execute(),
    /** What the tables say of the plugin. */
    change: (set: { readonly enabled?: boolean; readonly package_digest?: string }) =>
      db.updateTable('installed_plugins').set(set).where('name', '=', 'billing').execute(),
  };
}

export interface RigOptions extends Pick<SchedulesDeps, 'metrics' | 'lines' | 'prune'> {
  readonly run?: (run: Run) => Promise<void>;
  readonly rests?: (plugin: string) => boolean;
  readonly limits?: Partial<ScheduleLimits>;
  /** How far this core's own clock is ahead. */
  readonly skewMs?: number;
  readonly log?: (line: string) => void;
  readonly wrap?: (store: TickStore) => TickStore;
}

/** One core's schedules over Postgres, with a time that the test moves; Postgres tells the same time. */
export function schedulesRig(db: Db, start: string | FakeTime, options: RigOptions = {}): SchedulesRig {
  const time = typeof start === 'string' ? new FakeTime(start) : start;
  const { run = async () => {}, log, rests, skewMs = 0, wrap = (store) => store, ...deps } = options;
  // Comparing with the tables is a query each time: only tests that need it have it often.
  const limits = { ...SCHEDULE_LIMITS, drainMs: 1_000, reconcileMs: 86_400_000, keepMs: 3_600_000, ...options.limits };
  const runs: Run[] = [];
  const store = time.watch(wrap(sqlStore(db, time, limits)));
  const schedules = createSchedules({
    ...deps,
    store,
    limits,
    clock: time.clock(skewMs),
    log: log === undefined ? createLog('fatal') : createLog('info', { write: log }),
    runner: {
      run(plugin, job, signal) {
        const info = { plugin, ...job, signal };
        runs.push(info);
        return run(info);
      },
      ...(rests && { rests }),
    },
  });
  return {
    ...{ schedules, store, time, runs },
    times: () => runs.map(({ scheduledAt }) => scheduledAt.slice(11, 19)),
    replace: (jobs, digest = DIGEST) => schedules.replace('billing', jobs, digest),
    async stop() {
      let isOver = false;
      const stopped = schedules.stop().finally(() => {
        isOver = true;
      });
      await time.quiet();
      while (!isOver) await time.to(time.now() + limits.drainMs);
      await stopped;
    },
  };
}

/** A store over Postgres as one core has it, whose clock is the test's. */
export function sqlStore(db: Db, time: FakeTime, limits: ScheduleLimits = SCHEDULE_LIMITS): TickStore {
  const now = () => sql<Date>`cast(${new Date(time.now())} as timestamptz)`;
  return createSqlTickStore({ db, owner: crypto.randomUUID(), limits, time: now });
}

/** A job every five minutes, as far as nothing else is said. */
export function job(change: Partial<JobRegistration> = {}): JobRegistration {
  const when = { cron: '*/5 * * * *', timezone: 'UTC' };
  const options = { overlap: 'skip', catchUp: 'none', jitterMs: 0, retries: 0 } as const;
  return { kind: 'job', handler: 1, name: 'poll', when, ...options, ...change };
}

/** A runner whose runs end when they are told to. */
export function heldRuns() {
  const ends: (() => void)[] = [];
  const run = () => new Promise<void>((resolve) => ends.push(resolve));
  /** Ends the runs that go on now. */
  const end = async (time: FakeTime) => {
    for (const resolve of ends.splice(0)) resolve();
    await flush();
    await time.quiet();
  };
  return { run, end };
}

/** Lets what has been settled be noticed. */
export function flush(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
