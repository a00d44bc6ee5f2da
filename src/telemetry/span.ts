import {
  type Context,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  SpanStatusCode,
  type Tracer,
  trace,
} from '@opentelemetry/api';
import { CodedError } from '../../sandbox-apis/_kit/errors.ts';
import { formatTraceparent } from './trace-context.ts';

export const KINDS = {
  internal: SpanKind.INTERNAL,
  server: SpanKind.SERVER,
  client: SpanKind.CLIENT,
  producer: SpanKind.PRODUCER,
  consumer: SpanKind.CONSUMER,
} as const;

export type Attributes = Readonly<Record<string, string | number | boolean>>;

export interface ChildOptions {
  readonly kind?: keyof typeof KINDS;
  readonly attributes?: Attributes;
}

/** What spans are made with. */
export interface SpanMaker {
  readonly tracer: Tracer;
  /** Masks the secrets of all plugins. */
  readonly redact: (text: string) => string;
}

/** A span under way. Texts are masked on their way in: whatever of plugins reaches a collector is without their secrets. */
export class TraceSpan {
  readonly #span: Span;
  readonly #maker: SpanMaker;

  constructor(span: Span, maker: SpanMaker) {
    this.#span = span;
    this.#maker = maker;
  }

  /** Begins a span below a context of another process, or at the top. */
  static begin(
    maker: SpanMaker,
    name: string,
    { kind = 'internal', attributes = {} }: ChildOptions = {},
    context: Context = ROOT_CONTEXT,
    linked: Context | null = null,
  ): TraceSpan {
    const to = linked === null ? undefined : trace.getSpanContext(linked);
    const span = maker.tracer.startSpan(
      maker.redact(name),
      {
        kind: KINDS[kind],
        attributes: masked(attributes, maker),
        ...(to === undefined ? {} : { links: [{ context: to }] }),
      },
      context,
    );
    return new TraceSpan(span, maker);
  }

  child(name: string, options: ChildOptions = {}): TraceSpan {
    return TraceSpan.begin(this.#maker, name, options, trace.setSpan(ROOT_CONTEXT, this.#span));
  }

  get traceId(): string {
    return this.#span.spanContext().traceId;
  }
  get spanId(): string {
    return this.#span.spanContext().spanId;
  }
  /** For who continues the trace (W3C Trace Context). */
  get traceparent(): string {
    return formatTraceparent(this.#span.spanContext());
  }
  /** What other tracing systems on the way want passed on; null when there is nothing. */
  get tracestate(): string | null {
    return this.#span.spanContext().traceState?.serialize() || null;
  }
  /** Whether the sampler kept it; the others cost next to nothing, and still carry the trace on. */
  get recording(): boolean {
    return this.#span.isRecording();
  }

  rename(name: string): void {
    if (this.recording) this.#span.updateName(this.#maker.redact(name));
  }
  set(attributes: Attributes): void {
    if (this.recording) this.#span.setAttributes(masked(attributes, this.#maker));
  }

  /** Marks it as failed. Of errors without a code only the name is told: what they say may be anything. */
  fail(error: unknown): void {
    if (!this.recording) return;
    if (error instanceof CodedError) this.failed(error.code, error.message);
    else this.failed(error instanceof Error ? error.name : typeof error, '');
  }

  /** @param type of few different values, such as an error's code or a status */
  failed(type: string, message: string): void {
    if (!this.recording) return;
    const text = this.#maker.redact(message).slice(0, MESSAGE_CHARS);
    this.#span.setAttribute('error.type', type);
    this.#span.setStatus({ code: SpanStatusCode.ERROR, ...(text === '' ? {} : { message: text }) });
  }

  end(): void {
    this.#span.end();
  }
}

/** Characters of an error's message in a span: enough to know it again, the rest is in the log. */
const MESSAGE_CHARS = 500;

function masked(attributes: Attributes, { redact }: SpanMaker): Record<string, string | number | boolean> {
  const out: Record<string, string | number | boolean> = {};
  for (const [key, value] of Object.entries(attributes)) out[key] = typeof value === 'string' ? redact(value) : value;
  return out;
}
