import type { JobRegistration } from '../../sandbox-apis/_kit/registrations.ts';
import type { Db } from '../../src/db/client.ts';
import { createLog } from '../../src/log.ts';
import { type Clock, SCHEDULE_LIMITS, type ScheduleLimits } from '../../src/schedules/limits.ts';
import { createSchedules, type Schedules } from '../../src/schedules/schedules.ts';

/** A clock that stands still until it is moved; timers fire in order, each at its own time. */
export class FakeClock implements Clock {
  #now: number;
  readonly #timers = new Set<{ readonly at: number; readonly fn: () => void }>();

  constructor(start: string) {
    this.#now = Date.parse(start);
  }

  now(): number {
    return this.#now;
  }

  after(ms: number, fn: () => void): () => void {
    const timer = { at: this.#now + ms, fn };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }

  get timers(): number {
    return this.#timers.size;
  }

  /** Moves to a time, firing what is due on the way. */
  to(time: string): void {
    const end = Date.parse(time);
    for (;;) {
      const next = [...this.#timers].sort((a, b) => a.at - b.at)[0];
      if (!next || next.at > end) break;
      this.#timers.delete(next);
      this.#now = Math.max(this.#now, next.at);
      next.fn();
    }
    this.#now = end;
  }

  /** Sets the time without letting the timers know, as a machine that slept. */
  jump(time: string): void {
    this.#now = Date.parse(time);
  }
}

export interface Run {
  readonly plugin: string;
  readonly name: string;
  readonly scheduledAt: string;
  readonly catchUp: boolean;
  readonly signal: AbortSignal;
}

export interface SchedulesRig {
  readonly schedules: Schedules;
  readonly clock: FakeClock;
  readonly runs: Run[];
  /** `HH:MM:SS` of the ticks that ran. */
  times(): string[];
}

/** Schedules over a fake clock and a runner that answers as `run` says. */
export function schedulesRig(
  db: Db,
  start: string | FakeClock,
  run: (run: Run) => Promise<void> = async () => {},
  limits: Partial<ScheduleLimits> = {},
): SchedulesRig {
  const clock = typeof start === 'string' ? new FakeClock(start) : start;
  const runs: Run[] = [];
  const schedules = createSchedules({
    db,
    clock,
    log: createLog('fatal'),
    limits: { ...SCHEDULE_LIMITS, drainMs: 1_000, ...limits },
    runner: {
      run(plugin, job, signal) {
        const info = { plugin, ...job, signal };
        runs.push(info);
        return run(info);
      },
    },
  });
  return { schedules, clock, runs, times: () => runs.map(({ scheduledAt }) => scheduledAt.slice(11, 19)) };
}

/** A job every five minutes, as far as nothing else is said. */
export function job(change: Partial<JobRegistration> = {}): JobRegistration {
  const when = { cron: '*/5 * * * *', timezone: 'UTC' };
  return { kind: 'job', handler: 1, name: 'poll', when, overlap: 'skip', catchUp: false, ...change };
}

/** Lets what has been settled be noticed. */
export function flush(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
