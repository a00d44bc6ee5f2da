import { cpus, totalmem } from 'node:os';
import { short } from './stats.ts';
import { MEASURES, type Measure, reaches, TARGETS } from './targets.ts';

/** One comparison of the plugin path with bare Elysia; figures are medians of the rounds. */
export interface ComparisonRow {
  readonly what: string;
  readonly server: 'bare' | 'plugin';
  readonly perSecond: number;
  readonly p50Us: number;
  readonly p99Us: number;
  /** CPU time a request in microseconds: of the server or core, the isolate host, the load process. */
  readonly cpuUs: { readonly server: number; readonly host: number; readonly load: number };
}

interface MemoryRow {
  readonly after: string;
  readonly coreMb: number;
  readonly hostMb: number;
}

/** Collects what was measured, and shows it at the end. */
export class Report {
  readonly #values = new Map<Measure, { value: number; note: string }>();
  readonly #comparisons: ComparisonRow[] = [];
  readonly #memory: MemoryRow[] = [];
  readonly #problems: string[] = [];
  readonly #notes: string[] = [];

  set(measure: Measure, value: number, note = ''): void {
    this.#values.set(measure, { value, note });
  }
  compared(row: ComparisonRow): void {
    this.#comparisons.push(row);
  }
  memory(after: string, coreBytes: number, hostBytes: number): void {
    this.#memory.push({ after, coreMb: coreBytes / 1e6, hostMb: hostBytes / 1e6 });
  }
  /** Something that makes figures doubtful or absent. */
  problem(text: string): void {
    this.#problems.push(text);
    progress(`PROBLEM: ${text}`);
  }
  note(text: string): void {
    this.#notes.push(text);
  }

  toJson(): object {
    const measures = MEASURES.map((measure) => {
      const { label, unit, floor, goal } = TARGETS[measure];
      const found = this.#values.get(measure);
      const value = found === undefined || !Number.isFinite(found.value) ? null : found.value;
      return { measure, label, value, unit, floor, goal, verdict: this.#verdict(measure), note: found?.note ?? '' };
    });
    return {
      at: new Date().toISOString(),
      machine: machine(),
      measures,
      comparisons: this.#comparisons,
      memory: this.#memory,
      notes: this.#notes,
      problems: this.#problems,
    };
  }

  toText(): string {
    const comparisons = this.#comparisons.map(({ what, server, perSecond, p50Us, p99Us, cpuUs }) => [
      what,
      server,
      short(perSecond),
      short(p50Us),
      short(p99Us),
      short(cpuUs.server),
      short(cpuUs.host),
      short(cpuUs.load),
    ]);
    const measures = MEASURES.map((measure) => {
      const { label, unit, better, floor, goal } = TARGETS[measure];
      const found = this.#values.get(measure);
      const limit = (value: number | null) =>
        value === null ? '' : `${better === 'higher' ? '>=' : '<='} ${short(value)}${suffix(unit)}`;
      const value = found === undefined ? 'not measured' : `${short(found.value)}${suffix(unit)}`;
      return [label, value, limit(floor), limit(goal), this.#verdict(measure), found?.note ?? ''];
    });
    return [
      `${machine()}; load by bench/load.ts in a process of its own; figures are medians`,
      ...this.#notes,
      '',
      ...table(
        ['requests', 'server', 'per second', 'p50 us', 'p99 us', 'CPU us/req', 'host us/req', 'load us/req'],
        comparisons,
      ),
      '',
      ...table(
        ['resident memory after', 'core MB', 'isolate host MB'],
        this.#memory.map(({ after, coreMb, hostMb }) => [after, short(coreMb), short(hostMb)]),
      ),
      '',
      ...table(['measure', 'value', 'floor', 'goal', 'verdict', 'note'], measures),
      ...this.#problems.map((problem) => `PROBLEM: ${problem}`),
    ].join('\n');
  }

  #verdict(measure: Measure): '' | 'goal' | 'pass' | 'MISS' | 'not measured' {
    const { floor, goal, better } = TARGETS[measure];
    const value = this.#values.get(measure)?.value;
    if (floor === null) return '';
    if (value === undefined || Number.isNaN(value)) return 'not measured';
    if (!reaches(value, floor, better)) return 'MISS';
    return goal !== null && reaches(value, goal, better) ? 'goal' : 'pass';
  }
}

/** Says on standard error where the bench is. */
export function progress(text: string): void {
  process.stderr.write(`${text}\n`);
}

function machine(): string {
  const [first] = cpus();
  const memory = Math.round(totalmem() / 2 ** 30);
  return `Bun ${Bun.version}, ${process.platform} ${process.arch}, ${cpus().length} x ${first?.model ?? 'CPU'}, ${memory} GiB`;
}

function suffix(unit: string): string {
  return unit === '' || unit === 'x' ? unit : ` ${unit}`;
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const widths = head.map((title, column) => Math.max(title.length, ...rows.map((row) => row[column]?.length ?? 0)));
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd();
  return [line(head), line(widths.map((width) => '-'.repeat(width))), ...rows.map(line)];
}
