import type { Db } from '../db/client.ts';
import type { Log } from '../log.ts';
import type { Clock, ScheduleLimits } from './limits.ts';

/**
 * Runs a job in the plugin's live isolate, which it brings back if need be; rejects when it fails. Jobs are known by name:
 * each isolate numbers its handlers anew.
 */
export interface JobRunner {
  run(
    plugin: string,
    job: { readonly name: string; readonly scheduledAt: string; readonly catchUp: boolean },
    signal: AbortSignal,
  ): Promise<void>;
  /** Whether an admin switched the plugin's `scheduler` off: its ticks are skipped. */
  readonly rests?: (plugin: string) => boolean;
}

/** A job as the API shows it; times are ISO 8601, UTC. */
export interface JobStatus {
  readonly name: string;
  readonly cron: string | null;
  readonly timezone: string | null;
  readonly everyMs: number | null;
  readonly overlap: 'skip' | 'allow';
  readonly catchUp: boolean;
  readonly nextRunAt: string | null;
  readonly lastRunAt: string | null;
  readonly lastDurationMs: number | null;
  /** Of the last run; null when it ended well. */
  readonly lastError: string | null;
  readonly running: boolean;
}

export interface JobDeps {
  readonly db: Db;
  readonly log: Log;
  readonly runner: JobRunner;
  readonly clock: Clock;
  readonly limits: ScheduleLimits;
}
