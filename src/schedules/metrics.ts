import { Counter, type Registry } from 'prom-client';
import { FastHistogram } from '../metrics/histogram.ts';

/** Seconds; from a quick job to the longest that is allowed. */
const DURATIONS = [0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 120, 300];
/** Seconds; a claim takes milliseconds, a restart of the core seconds, `lateMs` is the most. */
const LATENESS = [0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60];
const OUTCOMES = ['ok', 'failed', 'skipped', 'lost', 'aborted'] as const;

export interface ScheduleMetrics {
  /** @param lateMs from when its tick was due to its begin; null when it is for none */
  began(plugin: string, lateMs: number | null): void;
  /** @param ms null when it did not run on this core */
  ended(plugin: string, outcome: (typeof OUTCOMES)[number], ms: number | null): void;
  /** Ends the plugin's series: it was uninstalled. */
  drop(plugin: string): void;
}

/** Prometheus series of jobs, with the label `plugin`. Each core counts what it ran (and found lost). */
export function createScheduleMetrics(registry: Registry): ScheduleMetrics {
  const runs = new Counter({
    name: 'streamspace_job_runs_total',
    help: 'Runs of jobs by plugin and outcome',
    labelNames: ['plugin', 'outcome'],
    registers: [registry],
  });
  const durations = new FastHistogram(
    registry,
    'streamspace_job_duration_seconds',
    'Time of runs of jobs, whatever their outcome',
    DURATIONS,
  );
  const lateness = new FastHistogram(
    registry,
    'streamspace_job_lateness_seconds',
    'From when a tick was due until its run began',
    LATENESS,
  );
  return {
    began(plugin, lateMs) {
      if (lateMs !== null) lateness.series({ plugin }).observe(lateMs / 1000);
    },
    ended(plugin, outcome, ms) {
      runs.labels(plugin, outcome).inc();
      if (ms !== null) durations.series({ plugin }).observe(ms / 1000);
    },
    drop(plugin) {
      for (const outcome of OUTCOMES) runs.remove(plugin, outcome);
      durations.remove({ plugin });
      lateness.remove({ plugin });
    },
  };
}
