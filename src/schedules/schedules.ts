import { CodedError } from '../../sandbox-apis/_kit/errors.ts';
import type { JobRegistration } from '../../sandbox-apis/_kit/registrations.ts';
import { SCHEDULER_LIMITS } from '../../sandbox-apis/scheduler/limits.ts';
import type { Db } from '../db/client.ts';
import { Turns } from '../events/turns.ts';
import { within } from '../events/waiting.ts';
import type { Log } from '../log.ts';
import { Job } from './job.ts';
import { deleteJobs, type JobRow, saveJobs } from './job-rows.ts';
import { type Clock, SCHEDULE_LIMITS, type ScheduleLimits, SYSTEM_CLOCK } from './limits.ts';
import type { JobDeps, JobRunner, JobStatus } from './types.ts';

export interface SchedulesDeps {
  readonly db: Db;
  readonly log: Log;
  readonly runner: JobRunner;
  readonly clock?: Clock;
  readonly limits?: ScheduleLimits;
}

export interface Schedules {
  /**
   * Makes `jobs` the jobs of a plugin. A job whose time is unchanged keeps its timer, so a reload neither loses nor
   * doubles a tick; others begin once their rows are stored, without losing ticks meanwhile.
   * @returns when it is stored
   * @throws CodedError `quota_exceeded` when there are too many; nothing has changed then
   */
  replace(plugin: string, jobs: readonly JobRegistration[]): Promise<void>;
  /**
   * Ends the jobs of a plugin that was disabled or removed, and aborts their runs. Not for a core that stops (`stop`):
   * what is known of the jobs goes, and nothing would be made up for.
   */
  clear(plugin: string): Promise<void>;
  /** By name. */
  list(plugin: string): JobStatus[];
  /**
   * Runs a job now, beside its ticks; settles with the run.
   * @throws CodedError `not_found`, `conflict` (it runs and may not overlap), or the error of the run
   */
  runNow(plugin: string, name: string): Promise<void>;
  /** No more ticks; waits for the runs (bounded), then aborts them. */
  stop(): Promise<void>;
}

/** The jobs of all plugins, run by this process. */
export function createSchedules(deps: SchedulesDeps): Schedules {
  const { db, log } = deps;
  const limits = deps.limits ?? SCHEDULE_LIMITS;
  const jobDeps: JobDeps = { ...deps, limits, clock: deps.clock ?? SYSTEM_CLOCK };
  const plugins = new Map<string, Map<string, Job>>();
  /** Writes of a plugin, one after the other: a swap must not overtake the one before it. */
  const writes = new Turns();

  const jobsOf = (plugin: string): ReadonlyMap<string, Job> => plugins.get(plugin) ?? new Map();

  return {
    async replace(plugin, registrations) {
      if (registrations.length > SCHEDULER_LIMITS.jobs) {
        throw new CodedError('quota_exceeded', `A plugin may have ${SCHEDULER_LIMITS.jobs} jobs`);
      }
      const now = jobDeps.clock.now();
      const before = jobsOf(plugin);
      const after = new Map<string, Job>();
      const fresh = new Map<string, Job>();
      let changed = before.size !== registrations.length;
      for (const registration of registrations) {
        const kept = before.get(registration.name);
        if (kept && Bun.deepEquals(kept.when, registration.when)) {
          const { overlap, catchUp } = kept.status();
          changed ||= overlap !== registration.overlap || catchUp !== registration.catchUp;
          kept.adopt(registration);
          after.set(registration.name, kept);
          continue;
        }
        const job = new Job(jobDeps, plugin, registration, now);
        after.set(registration.name, job);
        fresh.set(registration.name, job);
      }
      for (const [name, job] of before) if (after.get(name) !== job) job.end();
      plugins.set(plugin, after);
      // A reload that changed nothing has nothing to store.
      if (!changed && fresh.size === 0) return;
      let rows: JobRow[] = [];
      try {
        rows = await writes.take(plugin, () => saveJobs(db, plugin, registrations, new Date(now)));
      } finally {
        for (const [name, job] of fresh) job.arm(rows.find((row) => row.name === name));
      }
    },

    async clear(plugin) {
      const jobs = [...jobsOf(plugin).values()];
      plugins.delete(plugin);
      for (const job of jobs) job.end(new CodedError('aborted', 'The plugin was stopped'));
      await writes.take(plugin, () => deleteJobs(db, plugin));
    },

    list: (plugin) =>
      [...jobsOf(plugin).values()].map((job) => job.status()).sort((a, b) => (a.name < b.name ? -1 : 1)),

    async runNow(plugin, name) {
      const job = jobsOf(plugin).get(name);
      if (!job) throw new CodedError('not_found', `Plugin ${plugin} has no job ${name}`);
      await job.runNow();
    },

    async stop() {
      const jobs = [...plugins.values()].flatMap((named) => [...named.values()]);
      for (const job of jobs) job.end();
      await within(limits.drainMs, Promise.all(jobs.map((job) => job.settled())));
      for (const job of jobs) job.end(new CodedError('aborted', 'The core is stopping'));
      await within(limits.drainMs, Promise.all(jobs.map((job) => job.settled())));
      log.debug({ jobs: jobs.length }, 'schedules stopped');
    },
  };
}
