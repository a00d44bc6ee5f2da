import { until } from './until.ts';

/** A span as a collector got it. */
export interface ReceivedSpan {
  readonly traceId: string;
  readonly spanId: string;
  /** Null at the top of a trace. */
  readonly parentId: string | null;
  readonly name: string;
  readonly kind: 'internal' | 'server' | 'client' | 'producer' | 'consumer';
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly status: { readonly code: 'unset' | 'ok' | 'error'; readonly message: string };
  readonly links: readonly { readonly traceId: string; readonly spanId: string }[];
  readonly resource: Readonly<Record<string, unknown>>;
}

export interface OtlpReceiver extends Disposable {
  /** For OTEL_EXPORTER_OTLP_ENDPOINT. */
  readonly url: string;
  readonly spans: readonly ReceivedSpan[];
  /** Of each batch. */
  readonly headers: readonly Headers[];
  /** All bodies, as they came. */
  readonly raw: () => string;
  /** The first span that fits, which came or is to come. */
  span(fits: (span: ReceivedSpan) => boolean, what: string): Promise<ReceivedSpan>;
}

/** Kinds and codes by their number in the protocol (opentelemetry-proto, trace.proto). */
const KINDS = ['internal', 'internal', 'server', 'client', 'producer', 'consumer'] as const;
const CODES = ['unset', 'ok', 'error'] as const;

interface WireAttribute {
  readonly key: string;
  readonly value: Readonly<Record<string, unknown>>;
}
interface WireSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly name: string;
  readonly kind: number;
  readonly attributes: readonly WireAttribute[];
  readonly status: { readonly code?: number; readonly message?: string };
  readonly links: readonly { readonly traceId: string; readonly spanId: string }[];
}
interface WireBatch {
  readonly resourceSpans: readonly {
    readonly resource: { readonly attributes: readonly WireAttribute[] };
    readonly scopeSpans: readonly { readonly spans: readonly WireSpan[] }[];
  }[];
}

/** A collector of traces: OTLP over HTTP in JSON, read for real. */
export function startOtlpReceiver(): OtlpReceiver {
  const spans: ReceivedSpan[] = [];
  const headers: Headers[] = [];
  const bodies: string[] = [];
  const server = Bun.serve({
    port: 0,
    hostname: '127.0.0.1',
    async fetch(request) {
      const body = await request.text();
      if (new URL(request.url).pathname !== '/v1/traces' || request.method !== 'POST') {
        return new Response(null, { status: 404 });
      }
      headers.push(request.headers);
      bodies.push(body);
      spans.push(...readBatch(JSON.parse(body) as WireBatch));
      return Response.json({});
    },
  });
  return {
    url: `http://127.0.0.1:${server.port}`,
    spans,
    headers,
    raw: () => bodies.join('\n'),
    span: (fits, what) => until(() => spans.find(fits), what),
    [Symbol.dispose]: () => void server.stop(true),
  };
}

function readBatch({ resourceSpans }: WireBatch): ReceivedSpan[] {
  return resourceSpans.flatMap(({ resource, scopeSpans }) =>
    scopeSpans.flatMap((scope) =>
      scope.spans.map((span) => ({
        traceId: span.traceId,
        spanId: span.spanId,
        parentId: span.parentSpanId || null,
        name: span.name,
        kind: KINDS[span.kind] ?? 'internal',
        attributes: readAttributes(span.attributes),
        status: { code: CODES[span.status.code ?? 0] ?? 'unset', message: span.status.message ?? '' },
        links: span.links.map(({ traceId, spanId }) => ({ traceId, spanId })),
        resource: readAttributes(resource.attributes),
      })),
    ),
  );
}

function readAttributes(attributes: readonly WireAttribute[]): Record<string, unknown> {
  return Object.fromEntries(attributes.map(({ key, value }) => [key, Object.values(value)[0]]));
}
