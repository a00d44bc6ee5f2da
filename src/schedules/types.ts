import type { Log } from '../log.ts';
import type { Clock, ScheduleLimits } from './limits.ts';
import type { ScheduleMetrics } from './metrics.ts';
import type { RunLine, RunState, TickStore } from './tick-store.ts';

/** What a job learns of its run. */
export interface RunInfo {
  readonly name: string;
  /** The tick that it runs for: ISO 8601, UTC. */
  readonly scheduledAt: string;
  readonly catchUp: boolean;
  readonly id: number;
  readonly attempt: number;
}

/**
 * Runs a job in the plugin's live isolate, which it brings back if need be; rejects when it fails. Jobs are known by name:
 * each isolate numbers its handlers anew.
 */
export interface JobRunner {
  run(plugin: string, job: RunInfo, signal: AbortSignal): Promise<void>;
  /** Whether an admin switched the plugin's `scheduler` off: its ticks are skipped. */
  readonly rests?: (plugin: string) => boolean;
}

/** Lines of a plugin's log, to keep those of a run with it. */
export interface RunLog {
  /** Where the log stands now. */
  mark(plugin: string): number;
  /** The newest lines since then. */
  since(plugin: string, mark: number): readonly RunLine[];
}

/** A job as the API shows it; times are ISO 8601, UTC. */
export interface JobStatus {
  readonly name: string;
  readonly cron: string | null;
  readonly timezone: string | null;
  readonly everyMs: number | null;
  readonly overlap: 'skip' | 'queue' | 'allow';
  readonly catchUp: 'none' | 'last' | 'all';
  readonly jitterMs: number;
  readonly retries: number;
  /** Since when an admin has it paused. */
  readonly pausedAt: string | null;
  /** Its jitter included; null while it is paused. */
  readonly nextRunAt: string | null;
  readonly lastRunAt: string | null;
  readonly lastDurationMs: number | null;
  /** Of the last run; null when it ended well. */
  readonly lastError: string | null;
  /** On this core. */
  readonly running: boolean;
}

/** A run that somebody asked for. */
export interface StartedRun {
  readonly id: number;
  /** `queued`: it waits for the one that goes on. */
  readonly state: 'running' | 'queued';
  /** How it ended and why not well; null when it waits. Never rejects. */
  readonly ended: Promise<{ readonly state: RunState; readonly error: unknown }> | null;
}

export interface SchedulesDeps {
  readonly store: TickStore;
  readonly log: Log;
  readonly runner: JobRunner;
  readonly clock?: Clock;
  readonly limits?: ScheduleLimits;
  readonly metrics?: ScheduleMetrics;
  readonly lines?: RunLog;
  /** Deletes old runs; called now and then. */
  readonly prune?: () => Promise<unknown>;
}
