import { version } from '../../package.json' with { type: 'json' };
import type { FetchTrace } from '../../sandbox-apis/fetch/trace.ts';
import type { Db } from '../db/client.ts';
import type { EventSink } from '../events/deliver.ts';
import type { TraceRequest } from '../http/serve.ts';
import type { Log } from '../log.ts';
import type { JobRunner } from '../schedules/types.ts';
import type { Redactor } from '../secrets/redact.ts';
import type { TracingConfig } from './config.ts';
import { createFetchTrace } from './fetch.ts';

/** What traces, at each place where a trace enters or leaves the core. */
export interface Telemetry {
  readonly request: TraceRequest;
  readonly fetch: FetchTrace;
  events(sink: EventSink, db: Db): EventSink;
  jobs(runner: JobRunner): JobRunner;
  /** Sends what is there, within bounds. */
  stop(): Promise<void>;
}

/** Starts tracing. OpenTelemetry is loaded here and not before: a core that does not trace has none of it in memory. */
export async function startTelemetry(config: TracingConfig, redactor: Redactor, log: Log): Promise<Telemetry> {
  const [{ createTracing }, { traceRequests }, { tracedEvents, tracedJobs }] = await Promise.all([
    import('./tracing.ts'),
    import('./http.ts'),
    import('./work.ts'),
  ]);
  const redact = (text: string): string => redactor.redact(text);
  const tracing = createTracing(config, { version, instance: Bun.randomUUIDv7(), redact });
  const { sampler, ratio, outgoing } = config;
  log.info({ collector: new URL(config.url).host, sampler, ratio, outgoing }, 'traces are sent');
  return {
    request: traceRequests(tracing),
    fetch: createFetchTrace(outgoing),
    events: (sink, db) => tracedEvents(sink, tracing, (id) => traceparentOf(db, id)),
    jobs: (runner) => tracedJobs(runner, tracing),
    stop: () => tracing.stop(),
  };
}

/** Asked for each delivery, and only while tracing is on: the store of deliveries need not know of traces. */
async function traceparentOf(db: Db, event: string): Promise<string | null> {
  const row = await db.selectFrom('events').select('traceparent').where('id', '=', event).executeTakeFirst();
  return row?.traceparent ?? null;
}
