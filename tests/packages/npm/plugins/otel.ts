import { context, propagation, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { W3CTraceContextPropagator } from '@opentelemetry/core';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { BatchSpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace';
import { definePlugin } from '@streamspace/sdk';

interface Settings {
  readonly collector: string;
}

const open = { auth: 'public' } as const;
const pause = (ms: number) => new Promise<void>((done) => setTimeout(done, ms));

export default definePlugin<Settings>({
  onLoad({ api, config }) {
    const exporter = new OTLPTraceExporter({ url: `${config.collector}/v1/traces`, headers: { 'x-team': 'core' } });
    const provider = new TracerProvider({
      resource: resourceFromAttributes({ 'service.name': 'plugin', 'service.version': '1.0.0' }),
      spanProcessors: [new BatchSpanProcessor({ exporter, scheduledDelayMillis: 60_000 })],
    });
    context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
    propagation.setGlobalPropagator(new W3CTraceContextPropagator());
    trace.setGlobalTracerProvider(provider);
    const tracer = trace.getTracer('orders', '2.1');

    api.get(
      '/order',
      async (request) => {
        const parent = propagation.extract(context.active(), { traceparent: request.headers.get('traceparent') ?? '' });
        // Two at once: only a context that follows each of them over its waits keeps their children apart.
        const order = (name: string, ms: number) =>
          context.with(parent, () =>
            tracer.startActiveSpan(
              `order ${name}`,
              { kind: SpanKind.SERVER, attributes: { name, size: 3, paid: true } },
              async (span) => {
                await pause(ms);
                await tracer.startActiveSpan(`pay ${name}`, async (child) => {
                  child.addEvent('asked', { try: 1 });
                  await pause(1);
                  child.recordException(new Error('declined'));
                  child.setStatus({ code: SpanStatusCode.ERROR, message: 'declined' });
                  child.end();
                });
                const carrier: Record<string, string> = {};
                propagation.inject(context.active(), carrier);
                span.end();
                return carrier.traceparent;
              },
            ),
          );
        const carried = await Promise.all([order('one', 4), order('two', 2)]);
        await provider.forceFlush();
        return { carried };
      },
      open,
    );
  },
});
