/** How traces are made and where they go, by the standard variables of OpenTelemetry. */
export interface TracingConfig {
  /** Where batches are posted: OTLP over HTTP, in JSON. */
  readonly url: string;
  /** Of each batch; the values are secrets (tokens of a vendor). */
  readonly headers: Readonly<Record<string, string>>;
  /** Milliseconds for one batch. */
  readonly timeoutMs: number;
  /** Milliseconds between batches. */
  readonly delayMs: number;
  readonly serviceName: string;
  readonly resource: Readonly<Record<string, string>>;
  readonly sampler: SamplerName;
  /** Of new traces, 0 to 1. */
  readonly ratio: number;
  /** Hosts that plugins' requests carry a `traceparent` to: `*` any, `*.example.com` with all below, or exact names. */
  readonly outgoing: readonly string[];
}

export const SAMPLERS = [
  'always_on',
  'always_off',
  'traceidratio',
  'parentbased_always_on',
  'parentbased_always_off',
  'parentbased_traceidratio',
] as const;
export type SamplerName = (typeof SAMPLERS)[number];

type Env = Readonly<Record<string, string | undefined>>;
/** Reads one variable; what `parse` throws with `refuse` is told with the variable's name. */
export type Reader = <T>(variable: string, parse: (value: string) => T, unset: T) => T;
type Refuse = (what: string, accepted: string) => never;

/** The specification's defaults. */
const TIMEOUT_MS = 10_000;
const DELAY_MS = 5_000;
const SIGNAL_PATH = '/v1/traces';
const HEADER_NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;

/**
 * Reads `OTEL_*` and STREAMSPACE_TRACE_OUT.
 *
 * @returns null when no endpoint is given, or one of them switches traces off
 */
export function tracingConfig(env: Env, read: Reader, refuse: Refuse): TracingConfig | null {
  const base = read<string | null>('OTEL_EXPORTER_OTLP_ENDPOINT', (value) => endpoint(value, refuse), null);
  const own = read<string | null>('OTEL_EXPORTER_OTLP_TRACES_ENDPOINT', (value) => endpoint(value, refuse), null);
  const url = own ?? (base === null ? null : `${base.replace(/\/+$/, '')}${SIGNAL_PATH}`);
  const pairs = (variable: string) => read(variable, (value) => pairsOf(value, refuse), {});
  const first = (signal: string, general: string) => ((env[signal] ?? '') === '' ? general : signal);
  const headers = pairs(first('OTEL_EXPORTER_OTLP_TRACES_HEADERS', 'OTEL_EXPORTER_OTLP_HEADERS'));
  for (const name in headers) if (!HEADER_NAME.test(name)) delete headers[name];
  const resource = pairs('OTEL_RESOURCE_ATTRIBUTES');
  const milliseconds = (variable: string, least: number, unset: number) =>
    read(variable, (value) => number(value, least, 600_000, `milliseconds, ${least} to 600000`, refuse), unset);
  const found: Omit<TracingConfig, 'url'> = {
    headers: Object.freeze(headers),
    timeoutMs: milliseconds(first('OTEL_EXPORTER_OTLP_TRACES_TIMEOUT', 'OTEL_EXPORTER_OTLP_TIMEOUT'), 1, TIMEOUT_MS),
    delayMs: milliseconds('OTEL_BSP_SCHEDULE_DELAY', 1, DELAY_MS),
    serviceName: read('OTEL_SERVICE_NAME', (value) => value.trim(), resource['service.name'] ?? 'streamspace'),
    resource: Object.freeze(resource),
    sampler: read<SamplerName>('OTEL_TRACES_SAMPLER', (value) => samplerOf(value, refuse), 'parentbased_always_on'),
    ratio: read('OTEL_TRACES_SAMPLER_ARG', (value) => number(value, 0, 1, 'a share, 0 to 1', refuse), 1),
    outgoing: Object.freeze(read('STREAMSPACE_TRACE_OUT', (value) => hosts(value, refuse), ['*'])),
  };
  read(
    first('OTEL_EXPORTER_OTLP_TRACES_PROTOCOL', 'OTEL_EXPORTER_OTLP_PROTOCOL'),
    // Collectors take both kinds of HTTP at the same address.
    (value) => value.startsWith('http/') || refuse('only OTLP over HTTP is spoken', 'http/json, http/protobuf'),
    true,
  );
  const off = env.OTEL_SDK_DISABLED?.trim().toLowerCase() === 'true' || env.OTEL_TRACES_EXPORTER?.trim() === 'none';
  return url === null || off ? null : Object.freeze({ url, ...found });
}

function endpoint(value: string, refuse: Refuse): string {
  // The value is not shown: it may hold a password.
  const accepted = 'an http(s) URL such as http://localhost:4318';
  const url = URL.parse(value.trim());
  if (url === null) return refuse('it is no URL', accepted);
  if (url.protocol !== 'http:' && url.protocol !== 'https:') {
    return refuse(`the scheme "${url.protocol}" is neither http nor https`, accepted);
  }
  return url.href;
}

/** `key=value,key=value`, values percent-encoded (W3C Baggage, as the specification has it). */
function pairsOf(value: string, refuse: Refuse): Record<string, string> {
  const found: Record<string, string> = {};
  for (const part of value.split(',')) {
    if (part.trim() === '') continue;
    const at = part.indexOf('=');
    if (at < 1) return refuse('a part has no name and "="', 'name=value,name=value; values percent-encoded');
    try {
      found[part.slice(0, at).trim()] = decodeURIComponent(part.slice(at + 1).trim());
    } catch {
      return refuse('a value is not percent-encoded UTF-8', 'name=value,name=value; values percent-encoded');
    }
  }
  return found;
}

function samplerOf(value: string, refuse: Refuse): SamplerName {
  const found = SAMPLERS.find((name) => name === value.trim());
  return found ?? refuse(`"${value.slice(0, 100)}" is no sampler`, SAMPLERS.join(', '));
}

function number(value: string, min: number, max: number, accepted: string, refuse: Refuse): number {
  const found = value.trim() === '' ? Number.NaN : Number(value);
  return found >= min && found <= max ? found : refuse('it is out of range or no number', accepted);
}

const HOST = /^(\*|(\*\.)?[a-z0-9_.-]+|\[?[0-9a-f:.]+\]?)$/;

function hosts(value: string, refuse: Refuse): readonly string[] {
  const text = value.trim().toLowerCase();
  if (text === 'none') return [];
  if (text === 'all') return ['*'];
  const names = text.split(',').map((name) => name.trim());
  const bad = names.find((name) => !HOST.test(name));
  if (bad === undefined) return names;
  return refuse(`"${bad.slice(0, 100)}" is no host`, 'all, none, or hosts such as api.example.com,*.internal');
}

/** Whether a request of a plugin to that host carries a `traceparent`. @param host as in a URL, lower case */
export function mayTell(outgoing: readonly string[], host: string): boolean {
  return outgoing.some(
    (name) => name === '*' || name === host || (name.startsWith('*.') && host.endsWith(name.slice(1))),
  );
}
