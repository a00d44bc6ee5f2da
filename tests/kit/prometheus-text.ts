/** One metric as `/metrics` tells it. */
export interface Family {
  readonly name: string;
  readonly help: string;
  readonly type: string;
  readonly samples: readonly Sample[];
}

export interface Sample {
  /** With the suffix of a histogram: `_bucket`, `_sum`, `_count`. */
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

const SAMPLE = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$/;
const LABEL = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(?:,|$)/y;

/** Reads the text format of Prometheus, version 0.0.4. @throws Error at the first line that is not of it */
export function parseMetrics(text: string): Family[] {
  if (!text.endsWith('\n')) throw new Error('the last line does not end');
  const families = new Map<string, { name: string; help: string; type: string; samples: Sample[] }>();
  let current = '';
  for (const line of text.split('\n')) {
    if (line === '') continue;
    const comment = /^# (HELP|TYPE) (\S+) (.*)$/.exec(line);
    if (comment !== null) {
      const [, kind, name, rest] = comment as unknown as [string, string, string, string];
      if (kind === 'HELP' && families.has(name)) throw new Error(`${name} is told twice`);
      const family = families.get(name) ?? { name, help: '', type: '', samples: [] };
      families.set(name, kind === 'HELP' ? { ...family, help: rest } : { ...family, type: rest });
      current = name;
      continue;
    }
    const found = SAMPLE.exec(line);
    if (found === null) throw new Error(`not a sample: ${line}`);
    const [, name = '', labels = '', value = ''] = found;
    const family = families.get(current);
    const isOwn =
      name === current || (family?.type === 'histogram' && /^_(bucket|sum|count)$/.test(name.slice(current.length)));
    const isSummary = family?.type === 'summary' && /^_(sum|count)$/.test(name.slice(current.length));
    if (family === undefined || !name.startsWith(current) || !(isOwn || isSummary)) {
      throw new Error(`${name} does not stand below its own TYPE`);
    }
    const number = value === '+Inf' ? Number.POSITIVE_INFINITY : Number(value);
    if (Number.isNaN(number) && !/^(NaN|Nan)$/.test(value)) throw new Error(`not a value: ${line}`);
    family.samples.push({ name, labels: parseLabels(labels), value: number });
  }
  return [...families.values()];
}

function parseLabels(text: string): Record<string, string> {
  const labels: Record<string, string> = {};
  LABEL.lastIndex = 0;
  while (LABEL.lastIndex < text.length) {
    const at = LABEL.lastIndex;
    const found = LABEL.exec(text);
    if (found === null) throw new Error(`not labels: ${text.slice(at)}`);
    const [, name = '', value = ''] = found;
    if (Object.hasOwn(labels, name)) throw new Error(`the label ${name} comes twice`);
    labels[name] = value;
  }
  return labels;
}

/** Units that have a base unit, which is to be used instead (promtool's list, and what we might write). */
const NOT_BASE =
  /_(milliseconds|microseconds|nanoseconds|minutes|hours|ms|kilobytes|megabytes|kb|mb|bits|percent)(_|$)/;

/** What `promtool check metrics` would say of them: naming conventions of Prometheus. */
export function lintMetrics(families: readonly Family[]): string[] {
  return families.flatMap(({ name, help, type, samples }) => {
    const problems: string[] = [];
    const say = (problem: string) => problems.push(`${name}: ${problem}`);
    if (help === '') say('no help text');
    if (!['counter', 'gauge', 'histogram', 'summary'].includes(type)) say(`the type "${type}"`);
    if (type === 'counter' && !name.endsWith('_total')) say('a counter ends with _total');
    if (type !== 'counter' && name.endsWith('_total')) say('only counters end with _total');
    if (/_(count|sum|bucket)$/.test(name)) say('a suffix of histograms');
    if (/_(gauge|counter|histogram|metric)(_|$)/.test(name)) say('the type in the name');
    if (NOT_BASE.test(name)) say('no base unit: seconds, bytes, ratio');
    if (/[A-Z]/.test(name)) say('camelCase');
    if (type === 'histogram' && !/_(seconds|bytes|ratio)$/.test(name)) say('a histogram has a unit');
    const seen = new Set<string>();
    for (const sample of samples) {
      const key = `${sample.name}${JSON.stringify(Object.entries(sample.labels).sort())}`;
      if (seen.has(key)) say(`the series ${key} comes twice`);
      seen.add(key);
      for (const label of Object.keys(sample.labels)) if (/[A-Z]/.test(label)) say(`the label ${label} is camelCase`);
    }
    return problems;
  });
}
