import { setTimeout as sleep } from 'node:timers/promises';
import { CodedError } from '../../sandbox-apis/_kit/errors.ts';
import type { EventSink } from '../events/deliver.ts';
import type { JobRunner } from '../schedules/types.ts';
import type { Quotas } from './quotas.ts';

type View = Pick<Quotas, 'of'>;

/** Events of a plugin that has used up its CPU wait until it may compute again; no attempt is counted. */
export function waitingEvents(sink: EventSink, quotas: View): EventSink {
  return {
    ready: (plugin) => quotas.of(plugin).cpuResetMs() === 0 && sink.ready(plugin),
    async deliver(plugin, event, signal) {
      // Used up since it was claimed: given back, uncounted.
      if (quotas.of(plugin).cpuResetMs() > 0) throw new CodedError('plugin_unavailable');
      await sink.deliver(plugin, event, signal);
    },
  };
}

/** Runs of a plugin that has used up its CPU wait until it may compute again, at most a minute. */
export function waitingJobs(runner: JobRunner, quotas: View): JobRunner {
  return {
    ...runner,
    async run(plugin, job, signal) {
      const milliseconds = quotas.of(plugin).cpuResetMs();
      if (milliseconds > 0) await sleep(milliseconds, undefined, { signal });
      await runner.run(plugin, job, signal);
    },
  };
}
