import type { Handlers } from '../_kit/contract.ts';
import type { JobRegistration, RegistrationSink } from '../_kit/registrations.ts';
import type { schedulerContract } from './contract.ts';
import { SCHEDULER_LIMITS } from './limits.ts';
import { parseCron, parseInterval, parseJitter } from './when.ts';

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
      id: registrations.add(caller, { ...read(job), when: parseCron(cron, timezone, minIntervalMs) }),
    }),
    every: (caller, { interval, ...job }) => ({
      id: registrations.add(caller, { ...read(job), when: parseInterval(interval, minIntervalMs) }),
    }),
    cancel: (caller, { id }) => {
      registrations.remove(caller, id);
      return {};
    },
  };
}

interface Options {
  readonly name: string;
  readonly handler: number;
  readonly overlap: JobRegistration['overlap'];
  readonly catchUp: boolean | JobRegistration['catchUp'];
  readonly jitter?: number | string;
  readonly retries?: number;
}

function read({ name, handler, overlap, catchUp, jitter = 0, retries = 0 }: Options): Omit<JobRegistration, 'when'> {
  const made = typeof catchUp === 'boolean' ? (catchUp ? 'last' : 'none') : catchUp;
  return { kind: 'job', name, handler, overlap, catchUp: made, jitterMs: parseJitter(jitter), retries };
}
