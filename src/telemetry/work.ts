import type { EventSink } from '../events/deliver.ts';
import type { JobRunner } from '../schedules/types.ts';
import { runInSpan } from './scope.ts';
import { readContext } from './trace-context.ts';
import type { Tracing } from './tracing.ts';

/**
 * Each delivery in a consumer span: below the span that published the event, whose context is stored with it, and linked
 * to it too, since it may come hours later and several times. The handler is told where its trace is: it may continue it.
 *
 * @param traceparentOf what is stored with the event of that id
 */
export function tracedEvents(
  sink: EventSink,
  tracing: Tracing,
  traceparentOf: (event: string) => Promise<string | null>,
): EventSink {
  return {
    ...sink,
    async deliver(plugin, event, signal) {
      const from = readContext(await traceparentOf(event.id), null);
      const attributes = {
        'streamspace.plugin': plugin,
        'messaging.system': 'streamspace',
        'messaging.operation.type': 'process',
        'messaging.destination.name': event.name,
        'messaging.message.id': event.id,
        'streamspace.attempt': event.attempt,
      };
      const span = tracing.begin(`process ${event.name}`, { kind: 'consumer', attributes }, from, from);
      const traced = { ...event, traceparent: span.traceparent };
      await runInSpan(null, span, () => sink.deliver(plugin, traced, signal));
    },
  };
}

/** Each run of a job in a span of its own, at the top of a new trace. */
export function tracedJobs(runner: JobRunner, tracing: Tracing): JobRunner {
  return {
    ...runner,
    run(plugin, job, signal) {
      const attributes = {
        'streamspace.plugin': plugin,
        'streamspace.job': job.name,
        'streamspace.scheduled_at': job.scheduledAt,
        'streamspace.catch_up': job.catchUp,
      };
      const span = tracing.begin(`job ${job.name}`, { attributes });
      return runInSpan(null, span, () => runner.run(plugin, job, signal));
    },
  };
}
