import type { Db } from '../db/client.ts';
import type { Log } from '../log.ts';
import { restingJobs } from '../permissions/resting.ts';
import type { Switches } from '../permissions/switches.ts';
import type { Quotas } from '../quotas/quotas.ts';
import { waitingJobs } from '../quotas/waiting.ts';
import { pruneRuns } from '../schedules/history.ts';
import type { ScheduleMetrics } from '../schedules/metrics.ts';
import { createRunLog } from '../schedules/run-log.ts';
import { createSchedules, type Schedules } from '../schedules/schedules.ts';
import { createSqlTickStore } from '../schedules/sql-tick-store.ts';
import type { Telemetry } from '../telemetry/start.ts';
import type { Lifecycle } from './lifecycle.ts';
import type { PluginLogs } from './plugin-log.ts';
import { createJobRunner } from './sinks.ts';

export interface JobsDeps {
  readonly db: Db;
  readonly log: Log;
  readonly logs: PluginLogs;
  /** This core. */
  readonly owner: string;
  readonly lifecycle: () => Lifecycle;
  readonly quotas: Quotas;
  readonly switches: Switches;
  readonly metrics: ScheduleMetrics;
  readonly telemetry: Telemetry | null;
}

/** The jobs of the plugins, run by those that run. */
export function createJobs({ db, log, logs, owner, lifecycle, telemetry, ...deps }: JobsDeps): Schedules {
  const runner = createJobRunner(lifecycle);
  return createSchedules({
    store: createSqlTickStore({ db, owner }),
    log,
    metrics: deps.metrics,
    lines: createRunLog(logs),
    prune: () => pruneRuns(db),
    runner: restingJobs(waitingJobs(telemetry === null ? runner : telemetry.jobs(runner), deps.quotas), deps.switches),
  });
}
