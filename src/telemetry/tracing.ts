import type { Context } from '@opentelemetry/api';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { resourceFromAttributes } from '@opentelemetry/resources';
import {
  AlwaysOffSampler,
  AlwaysOnSampler,
  BatchSpanProcessor,
  ParentBasedSampler,
  type Sampler,
  TraceIdRatioBasedSampler,
  TracerProvider,
} from '@opentelemetry/sdk-trace';
import type { TracingConfig } from './config.ts';
import { type ChildOptions, type SpanMaker, TraceSpan } from './span.ts';

/** Spans in memory while the collector is slow or away; what is more is dropped. About 2 KB each. */
const QUEUE = 4_096;
/** Spans of one batch, and batches under way: a collector that hangs holds no more than that. */
const BATCH = 512;
const BATCHES = 4;
/** Milliseconds that a stopping core waits for its last spans. */
const FLUSH_MS = 2_000;
const LIMITS = {
  attributeValueLengthLimit: 1_000,
  attributeCountLimit: 32,
  linkCountLimit: 4,
  eventCountLimit: 8,
};

export interface Tracing {
  /** Begins a span at the top of this process, below `parent` when that is known. */
  begin(name: string, options?: ChildOptions, parent?: Context | null, linked?: Context | null): TraceSpan;
  /** Sends what is there, within bounds, and ends. Never rejects. */
  stop(): Promise<void>;
}

export interface TracingDeps {
  readonly version: string;
  /** Names this process among the replicas. */
  readonly instance: string;
  readonly redact: (text: string) => string;
}

/** Makes the tracer. No global of OpenTelemetry is set: contexts are handed on by the core itself (scope.ts). */
export function createTracing(config: TracingConfig, { version, instance, redact }: TracingDeps): Tracing {
  const exporter = new OTLPTraceExporter({
    url: config.url,
    headers: { ...config.headers },
    timeoutMillis: config.timeoutMs,
    concurrencyLimit: BATCHES,
  });
  const provider = new TracerProvider({
    resource: resourceFromAttributes({
      'service.version': version,
      'service.instance.id': instance,
      ...config.resource,
      'service.name': config.serviceName,
    }),
    sampler: samplerOf(config),
    spanLimits: LIMITS,
    spanProcessors: [
      new BatchSpanProcessor({
        exporter,
        maxQueueSize: QUEUE,
        maxExportBatchSize: BATCH,
        scheduledDelayMillis: config.delayMs,
        exportTimeoutMillis: config.timeoutMs,
      }),
    ],
  });
  const maker: SpanMaker = { tracer: provider.getTracer('streamspace', version), redact };
  return {
    begin: (name, options, parent, linked) => TraceSpan.begin(maker, name, options, parent ?? undefined, linked),
    async stop() {
      const bound = Promise.withResolvers<void>();
      const timer = setTimeout(bound.resolve, FLUSH_MS);
      await Promise.race([provider.shutdown().catch(() => undefined), bound.promise]);
      clearTimeout(timer);
    },
  };
}

function samplerOf({ sampler, ratio }: TracingConfig): Sampler {
  const root = sampler.endsWith('traceidratio')
    ? new TraceIdRatioBasedSampler(ratio)
    : sampler.endsWith('always_on')
      ? new AlwaysOnSampler()
      : new AlwaysOffSampler();
  return sampler.startsWith('parentbased_') ? new ParentBasedSampler({ root }) : root;
}
