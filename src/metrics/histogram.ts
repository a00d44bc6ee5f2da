import type { Registry } from 'prom-client';

/** One series of a histogram; `observe` is a few nanoseconds, for what runs with each request. */
export interface Series {
  observe(seconds: number): void;
  readonly count: number;
  /** Seconds, linear inside the bucket as Prometheus' `histogram_quantile` does it; null before the first. */
  quantile(q: number): number | null;
}

interface Kept extends Series {
  readonly labels: Readonly<Record<string, string>>;
  readonly buckets: readonly number[];
  readonly sum: number;
}

/**
 * A Prometheus histogram whose series are looked up once and then kept by their users: prom-client's own hashes the
 * labels with each observation, which costs more than a quick plugin call.
 */
export class FastHistogram {
  readonly name: string;
  readonly help: string;
  readonly type = 'histogram';
  readonly #limits: readonly number[];
  readonly #series = new Map<string, Kept>();

  /** @param limits upper bounds of the buckets in seconds, ascending */
  constructor(registry: Registry, name: string, help: string, limits: readonly number[]) {
    this.name = name;
    this.help = help;
    this.#limits = limits;
    // A registry takes whatever has a name and `get`; its type says prom-client's classes only.
    registry.registerMetric(this as unknown as Parameters<Registry['registerMetric']>[0]);
  }

  series(labels: Readonly<Record<string, string>>): Series {
    const key = JSON.stringify(labels);
    let series = this.#series.get(key);
    if (series === undefined) {
      series = makeSeries(labels, this.#limits);
      this.#series.set(key, series);
    }
    return series;
  }

  remove(labels: Readonly<Record<string, string>>): void {
    this.#series.delete(JSON.stringify(labels));
  }

  /** For the registry. */
  get() {
    return {
      name: this.name,
      help: this.help,
      type: this.type,
      aggregator: 'sum' as const,
      values: [...this.#series.values()].flatMap((series) => this.#lines(series)),
    };
  }

  reset(): void {
    this.#series.clear();
  }

  #lines({ labels, buckets, sum, count }: Kept) {
    let below = 0;
    const metricName = `${this.name}_bucket`;
    const lines = this.#limits.map((limit, at) => {
      below += buckets[at] ?? 0;
      return { metricName, labels: { le: limit, ...labels }, value: below };
    });
    return [
      ...lines,
      { metricName, labels: { le: '+Inf', ...labels }, value: count },
      { metricName: `${this.name}_sum`, labels, value: sum },
      { metricName: `${this.name}_count`, labels, value: count },
    ];
  }
}

function makeSeries(labels: Readonly<Record<string, string>>, limits: readonly number[]): Kept {
  const buckets = new Array<number>(limits.length + 1).fill(0);
  let sum = 0;
  let count = 0;
  return {
    labels,
    buckets,
    get sum() {
      return sum;
    },
    get count() {
      return count;
    },
    observe(seconds) {
      let at = 0;
      while (at < limits.length && seconds > (limits[at] as number)) at += 1;
      buckets[at] = (buckets[at] as number) + 1;
      sum += seconds;
      count += 1;
    },
    quantile(q) {
      if (count === 0) return null;
      let below = 0;
      for (let at = 0; at < limits.length; at += 1) {
        const inside = buckets[at] as number;
        if (inside > 0 && below + inside >= q * count) {
          const low = limits[at - 1] ?? 0;
          return low + ((q * count - below) / inside) * ((limits[at] as number) - low);
        }
        below += inside;
      }
      return limits.at(-1) ?? null;
    },
  };
}
