/** Milliseconds after which an answer counts as an outage for whoever waits. */
const LATE_MS = 250;
/** Requests of one target that may wait at once: a target that hangs must not use up the client. */
const MOST_WAITING = 30;

/** Milliseconds between two looks at what is due. */
const TICK_MS = 2;

/** One request: when it was sent and answered (`performance.now()`), and how. */
interface Sample {
  readonly from: number;
  readonly to: number;
  readonly kind: 'good' | 'refused' | 'bad';
}

export interface TargetReport {
  readonly target: string;
  readonly requests: number;
  /** Answered 503 with `Retry-After`. */
  readonly refused: number;
  /** Answered in any other way that is not right, the first few. */
  readonly bad: readonly string[];
  /** Milliseconds in which whoever asked was refused or had to wait for long, all together. */
  readonly outageMs: number;
  /** Milliseconds of each good answer. */
  readonly latencies: readonly number[];
}

interface Target extends Required<LoadTarget> {
  /** When the next request is sent. */
  due: number;
  /** When the requests that wait were sent. */
  readonly waiting: Set<number>;
  samples: Sample[];
  bad: string[];
}

export interface LoadTarget {
  readonly name: string;
  readonly url: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Milliseconds between two requests. */
  readonly everyMs: number;
}

/** A steady load and what came of it, in this process or another. */
export interface Load {
  /** What happened since the last time, and forgets it. Whatever was sent before is waited for. */
  take(): Promise<TargetReport[]>;
  /**
   * Resolves when every target has given `count` good answers in a row to requests that were sent from now on.
   *
   * @throws Error when that is not so within `ms` milliseconds
   */
  settled(count: number, ms: number): Promise<void>;
  stop(): void;
}

/** Asks each of many URLs at a steady pace, whether or not the answers come (an open loop: a hang is not hidden). */
export class SteadyLoad implements Load {
  readonly #targets: readonly Target[];
  readonly #timer: Timer;

  constructor(targets: readonly LoadTarget[]) {
    const now = performance.now();
    this.#targets = targets.map((target, at) => ({
      headers: {},
      ...target,
      // Evenly over the interval, so that the load has no beat.
      due: now + (target.everyMs * at) / targets.length,
      waiting: new Set<number>(),
      samples: [],
      bad: [],
    }));
    this.#timer = setInterval(() => this.#askDue(), TICK_MS);
  }

  async take(): Promise<TargetReport[]> {
    const now = performance.now();
    const isOpen = ({ waiting }: Target): boolean => [...waiting].some((from) => from <= now);
    while (this.#targets.some(isOpen)) await Bun.sleep(5);
    return this.#targets.map((target) => {
      const { name, samples, bad } = target;
      target.samples = [];
      target.bad = [];
      return {
        target: name,
        requests: samples.length,
        refused: samples.filter(({ kind }) => kind === 'refused').length,
        bad,
        outageMs: outageOf(samples),
        latencies: samples.flatMap(({ kind, from, to }) => (kind === 'good' ? [to - from] : [])),
      };
    });
  }

  async settled(count: number, ms: number): Promise<void> {
    const since = performance.now();
    const calm = ({ samples }: Target): boolean => {
      const last = samples.slice(-count);
      return (
        last.length === count &&
        last.every(({ from, to, kind }) => from >= since && kind === 'good' && to - from <= LATE_MS)
      );
    };
    for (;;) {
      const uneasy = this.#targets.filter((target) => !calm(target));
      if (uneasy.length === 0) return;
      if (performance.now() - since > ms) {
        throw new Error(
          `not calm within ${ms} ms: ${uneasy.map(({ name, waiting, bad }) => `${name} (${waiting.size} waiting, ${bad})`).join(', ')}`,
        );
      }
      await Bun.sleep(10);
    }
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #askDue(): void {
    const now = performance.now();
    for (const target of this.#targets) {
      if (target.due > now) continue;
      // What this process was too slow for is left out.
      target.due = Math.max(target.due + target.everyMs, now);
      if (target.waiting.size < MOST_WAITING) void this.#ask(target);
    }
  }

  async #ask(target: Target): Promise<void> {
    const from = performance.now();
    target.waiting.add(from);
    let kind: Sample['kind'] = 'bad';
    let said: string;
    try {
      const response = await fetch(target.url, { headers: target.headers });
      said = `${response.status} ${(await response.text()).slice(0, 200)}`;
      if (response.status === 200) kind = 'good';
      else if (response.status === 503 && response.headers.get('retry-after') !== null) kind = 'refused';
    } catch (error) {
      said = String(error);
    }
    target.waiting.delete(from);
    target.samples.push({ from, to: performance.now(), kind });
    if (kind === 'bad' && target.bad.length < 3) target.bad.push(`${target.name}: ${said}`);
  }
}

/**
 * The time in which a target was out, in milliseconds: an answer that came late was out while it was waited for, a refusal
 * until the next good answer. What overlaps counts once.
 */
export function outageOf(samples: readonly Sample[]): number {
  const end = Math.max(0, ...samples.map(({ to }) => to));
  const spans = samples
    .flatMap(({ from, to, kind }) => {
      if (kind === 'good') return to - from > LATE_MS ? [[from, to] as const] : [];
      const back = samples.filter((sample) => sample.kind === 'good' && sample.from >= from).map((sample) => sample.to);
      return [[from, back.length === 0 ? end : Math.min(...back)] as const];
    })
    .sort(([a], [b]) => a - b);
  let total = 0;
  let reached = 0;
  for (const [from, to] of spans) {
    total += Math.max(0, to - Math.max(from, reached));
    reached = Math.max(reached, to);
  }
  return total;
}
