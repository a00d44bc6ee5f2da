import { tickAfter } from '../../sandbox-apis/scheduler/when.ts';
import type { RunInfo } from '../../src/schedules/types.ts';
import type { Database } from './database.ts';
import type { JobRow, RunRow } from './memory-ticks.ts';
import type { Findings, Runner, Running } from './monitor.ts';
import { SIMULATED_SCHEDULES } from './plan.ts';

interface Claimed {
  readonly row: RunRow;
  readonly install: number;
  readonly job: JobRow | undefined;
}

/** By how much the account of ticks may be behind when nothing is wrong any more. */
const BEHIND_MS = SIMULATED_SCHEDULES.againMs * 16 + 2_000;

/** Notes what may not happen to jobs. */
export class JobMonitor {
  readonly #findings: Findings;
  readonly #claimed = new Map<number, Claimed>();
  readonly #atWork = new Map<number, Claimed>();
  /** How often it began, of what may begin once. */
  readonly #begun = new Map<string, number>();
  #database: Database | null = null;

  constructor(findings: Findings) {
    this.#findings = findings;
  }

  observe(database: Database): void {
    this.#database = database;
  }

  claimed(row: RunRow): void {
    const install = this.#database?.plugins.rows.get(row.plugin)?.install;
    if (install === undefined) this.#findings.violate(`${label(row)} was claimed after the uninstall`);
    this.#claimed.set(row.id, { row, install: install ?? 0, job: this.#jobOf(row) });
    if (row.dueAt > this.#storeNow) this.#findings.violate(`${label(row)} was claimed before it was due`);
    this.#findings.world.note('store', () => `${row.owner} claims ${label(row)}`);
  }

  /** The handler of a job begins. */
  begin(runner: Runner, info: RunInfo): Running {
    const claimed = this.#claimed.get(info.id);
    if (!claimed) {
      this.#findings.violate(`a run of ${info.name} began that nobody had claimed`);
      throw new Error('not claimed');
    }
    const { row, install, job } = claimed;
    const { counts, world } = this.#findings;
    counts.jobRuns++;
    if (row.owner !== runner.owner)
      this.#findings.violate(`${label(row)} ran on ${runner.name}, which had not claimed it`);
    this.#findings.leased(label(row), runner, row.state === 'running' ? row.leaseUntil - this.#storeNow : -Infinity);
    const times = this.#note(`${install} ${row.plugin} ${row.job} ${row.tick ?? `by hand ${row.id}`} ${row.attempt}`);
    if (times > 1) this.#findings.violate(`${label(row)} ran ${times} times`);
    const most = 1 + (job?.definition.retries ?? 0);
    if (row.attempt > most) this.#findings.violate(`${label(row)} ran, of ${most} attempts`);
    for (const other of this.#atWork.values()) {
      if (other.row.plugin !== row.plugin || other.row.job !== row.job || other.install !== install) continue;
      if (job?.definition.overlap === 'allow' && other.row.tick !== row.tick) continue;
      const leaseEndsIn = other.row.state === 'running' ? other.row.leaseUntil - this.#storeNow : 0;
      this.#findings.beside(label(row), runner, label(other.row), leaseEndsIn);
    }
    this.#atWork.set(row.id, claimed);
    world.note(runner.name, () => `${label(row)} begins`);
    return {
      end: (ok) => {
        this.#atWork.delete(row.id);
        world.note(runner.name, () => `${label(row)} ${ok ? 'succeeds' : 'fails'}`);
      },
    };
  }

  /** What must be true once everything has had time to become right again. */
  conclude(): void {
    const { ticks, plugins } = this.#database as Database;
    const now = this.#storeNow;
    for (const job of ticks.jobs.values()) {
      if (job.fingerprint === null || job.pausedAt !== null) continue;
      const { when, jitterMs } = job.definition;
      const next = tickAfter(when, job.tickedAt, job.anchorAt);
      if (next !== null && next + jitterMs + BEHIND_MS < now) {
        this.#findings.violate(`${job.plugin}/${job.name} stands still since ${new Date(job.tickedAt).toISOString()}`);
      }
      if (this.#findings.calm) this.#eachTickOnce(job, plugins.rows.get(job.plugin)?.install ?? 0);
    }
    for (const run of ticks.runs.values()) {
      const job = this.#jobOf(run);
      const isLost = run.state === 'running' && run.leaseUntil + BEHIND_MS < now;
      const isStuck = run.state === 'queued' && run.dueAt + 4 * BEHIND_MS < now && job?.pausedAt === null;
      if (isLost || isStuck) this.#findings.violate(`${label(run)} is ${run.state} for ever`);
    }
  }

  /** Without a fault each tick that is accounted for has run once, but those that the job itself leaves out. */
  #eachTickOnce(job: JobRow, install: number): void {
    const { plugin, name, definition, anchorAt, tickedAt, createdAt } = job;
    for (let tick = tickAfter(definition.when, createdAt, anchorAt); tick !== null && tick <= tickedAt; ) {
      const row = this.#database?.ticks.runOf(plugin, name, tick);
      const times = this.#begun.get(`${install} ${plugin} ${name} ${tick} 1`) ?? 0;
      // The answer to the claim of the last one may be on its way.
      const isFresh = row !== undefined && row.startedAt > this.#storeNow - 1_000;
      const mayBeNone = isFresh || row?.state === 'skipped' || row?.state === 'queued';
      if (times !== 1 && !(times === 0 && mayBeNone)) {
        this.#findings.violate(`the tick ${new Date(tick).toISOString()} of ${plugin}/${name} ran ${times} times`);
      }
      tick = tickAfter(definition.when, tick, anchorAt);
    }
  }

  #note(once: string): number {
    const times = (this.#begun.get(once) ?? 0) + 1;
    this.#begun.set(once, times);
    return times;
  }

  #jobOf({ plugin, job }: RunRow): JobRow | undefined {
    return this.#database?.ticks.jobs.get(`${plugin}\n${job}`);
  }

  get #storeNow(): number {
    return this.#database?.now() ?? 0;
  }
}

function label({ plugin, job, tick, attempt, id }: RunRow): string {
  const at = tick === null ? 'by hand' : `tick ${new Date(tick).toISOString().slice(14, -1)}`;
  return `run ${id} of ${plugin}/${job} (${at}, attempt ${attempt})`;
}
