import type { Handlers } from '../_kit/contract.ts';
import type { RegistrationSink } from '../_kit/registrations.ts';
import type { schedulerContract } from './contract.ts';
import { SCHEDULER_LIMITS } from './limits.ts';
import { parseCron, parseInterval } from './when.ts';

export interface SchedulerDeps {
  readonly registrations: RegistrationSink;
  /** The shortest time between two runs of a job. */
  readonly minIntervalMs?: number;
}

/** The core's half of `streamspace.scheduler`. */
export function createSchedulerBroker(deps: SchedulerDeps): Handlers<typeof schedulerContract> {
  const { registrations, minIntervalMs = SCHEDULER_LIMITS.minIntervalMs } = deps;
  return {
    schedule: (caller, { cron, timezone, ...job }) => ({
      id: registrations.add(caller, { kind: 'job', ...job, when: parseCron(cron, timezone, minIntervalMs) }),
    }),
    every: (caller, { interval, ...job }) => ({
      id: registrations.add(caller, { kind: 'job', ...job, when: parseInterval(interval, minIntervalMs) }),
    }),
    cancel: (caller, { id }) => {
      registrations.remove(caller, id);
      return {};
    },
  };
}
