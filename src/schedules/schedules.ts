import { CodedError } from '../../sandbox-apis/_kit/errors.ts';
import type { JobRegistration } from '../../sandbox-apis/_kit/registrations.ts';
import { SCHEDULER_LIMITS } from '../../sandbox-apis/scheduler/limits.ts';
import { Turns } from '../events/turns.ts';
import { within } from '../events/waiting.ts';
import { Job, type JobDeps } from './job.ts';
import { HISTORY_LIMITS, SCHEDULE_LIMITS, SYSTEM_CLOCK } from './limits.ts';
import { Runs } from './runs.ts';
import { StoreClock } from './store-clock.ts';
import type { JobStatus, SchedulesDeps, StartedRun } from './types.ts';

export interface Schedules {
  /**
   * Makes `jobs` the jobs of a plugin. One that is unchanged keeps its timer; others begin once they are stored, and lose
   * no tick that comes meanwhile.
   * @param digest of the package that registered them: when the tables have another installed, nothing of them runs
   * @returns when it is stored
   * @throws CodedError `quota_exceeded` when there are too many; nothing has changed then
   */
  replace(plugin: string, jobs: readonly JobRegistration[], digest: string): Promise<void>;
  /**
   * Ends the jobs of a plugin that was disabled or removed, and aborts their runs. Not for a core that stops (`stop`):
   * what is known of the jobs goes, and nothing would be made up for.
   */
  clear(plugin: string): Promise<void>;
  /** By name; what other cores did is some seconds old. */
  list(plugin: string): JobStatus[];
  /**
   * Runs a job now, beside its ticks, and also while it is paused; answers when it has begun, or waits.
   * @throws CodedError `not_found`, `conflict` (it runs and may not overlap), `capability_off`
   */
  runNow(plugin: string, name: string): Promise<StartedRun>;
  /**
   * Pauses a job on all cores, over restarts and reloads; or resumes it. What was due meanwhile is not made up for.
   * @param by who pauses it; null to resume
   * @throws CodedError `not_found`
   */
  pause(plugin: string, name: string, by: string | null): Promise<void>;
  /** No more ticks; waits for the runs (bounded), then aborts them. */
  stop(): Promise<void>;
}

/** The jobs of all plugins, as far as this core runs them. Cores that share a store share the ticks. */
export function createSchedules(deps: SchedulesDeps): Schedules {
  const { store, log, metrics, prune } = deps;
  const limits = deps.limits ?? SCHEDULE_LIMITS;
  const clock = deps.clock ?? SYSTEM_CLOCK;
  const time = new StoreClock(clock);
  const runs = new Runs({ ...deps, clock, time, limits });
  const jobDeps: JobDeps = { ...deps, clock, time, limits, runs };
  const plugins = new Map<string, Map<string, Job>>();
  /** Writes of a plugin, one after the other: a swap must not overtake the one before it. */
  const writes = new Turns();
  let disarm: (() => void) | null = null;
  let stopped = false;
  let prunedAt = clock.now();

  const jobsOf = (plugin: string): ReadonlyMap<string, Job> => plugins.get(plugin) ?? new Map();

  function jobOf(plugin: string, name: string): Job {
    const job = jobsOf(plugin).get(name);
    if (!job) throw new CodedError('not_found', `Plugin ${plugin} has no job ${name}`);
    return job;
  }

  /** Stores jobs and starts their timers, unless others have taken their place. */
  async function storeAndArm(plugin: string, digest: string, fresh: readonly Job[], removed: readonly string[]) {
    const answer = await time.ask(() =>
      store.sync(plugin, digest, { jobs: fresh.map((job) => job.definition), removed }),
    );
    if (answer.kind === 'superseded') {
      log.warn({ plugin, digest }, 'another version of the plugin is installed: its jobs do not run here');
      return;
    }
    for (const stored of answer.jobs) fresh.find(({ key }) => key.name === stored.name)?.arm(stored);
  }

  async function reconcile(): Promise<void> {
    try {
      for (const { plugin, job } of await store.sweep()) {
        log.warn({ plugin, job }, 'a run was lost with its core');
        metrics?.ended(plugin, 'lost', null);
      }
      const { jobs } = await time.ask(() => store.look([...plugins.keys()]));
      for (const { plugin, waiting, ...stored } of jobs) plugins.get(plugin)?.get(stored.name)?.seen(stored, waiting);
      for (const [plugin, named] of plugins) {
        const unarmed = [...named.values()].filter((job) => !job.isArmed);
        const digest = unarmed[0]?.key.digest;
        if (digest !== undefined) await writes.take(plugin, () => storeAndArm(plugin, digest, unarmed, []));
      }
      if (prune !== undefined && clock.now() - prunedAt >= HISTORY_LIMITS.everyMs) {
        prunedAt = clock.now();
        await prune();
      }
    } catch (err) {
      log.warn({ err }, 'jobs could not be compared with the tables');
    }
    if (!stopped) disarm = clock.after(limits.reconcileMs, () => void reconcile());
  }

  return {
    async replace(plugin, registrations, digest) {
      if (registrations.length > SCHEDULER_LIMITS.jobs) {
        throw new CodedError('quota_exceeded', `A plugin may have ${SCHEDULER_LIMITS.jobs} jobs`);
      }
      const before = jobsOf(plugin);
      const after = new Map<string, Job>();
      const fresh: Job[] = [];
      for (const registration of registrations) {
        const job = new Job(jobDeps, plugin, digest, registration);
        const kept = before.get(registration.name);
        const isSame = kept !== undefined && Bun.deepEquals(kept.key, job.key);
        after.set(registration.name, isSame ? kept : job);
        if (!isSame) fresh.push(job);
      }
      for (const [name, job] of before) if (after.get(name) !== job) job.end();
      const removed = [...before.keys()].filter((name) => !after.has(name));
      if (after.size > 0 || before.size > 0) plugins.set(plugin, after);
      disarm ??= clock.after(limits.reconcileMs, () => void reconcile());
      // A reload that changed nothing has nothing to store.
      if (fresh.length === 0 && removed.length === 0) return;
      await writes.take(plugin, () => storeAndArm(plugin, digest, fresh, removed));
    },

    async clear(plugin) {
      const jobs = [...jobsOf(plugin).values()];
      plugins.delete(plugin);
      for (const job of jobs) job.end();
      runs.abort(new CodedError('aborted', 'The plugin was stopped'), plugin);
      await writes.take(plugin, () => store.forget(plugin));
    },

    list: (plugin) =>
      [...jobsOf(plugin).values()].map((job) => job.status()).sort((a, b) => (a.name < b.name ? -1 : 1)),

    runNow: async (plugin, name) => jobOf(plugin, name).runNow(),

    async pause(plugin, name, by) {
      const job = jobOf(plugin, name);
      if (!(await store.setPaused(plugin, name, by))) {
        throw new CodedError('not_found', `Plugin ${plugin} has no job ${name} any more`);
      }
      const { jobs } = await time.ask(() => store.look([plugin]));
      const stored = jobs.find((one) => one.name === name);
      if (stored !== undefined) job.seen(stored, stored.waiting);
    },

    async stop() {
      stopped = true;
      disarm?.();
      const jobs = [...plugins.values()].flatMap((named) => [...named.values()]);
      for (const job of jobs) job.end();
      await within(limits.drainMs, runs.settled(), clock);
      runs.abort(new CodedError('aborted', 'The core is stopping'));
      await within(limits.drainMs, runs.settled(), clock);
      log.debug({ jobs: jobs.length }, 'schedules stopped');
    },
  };
}
