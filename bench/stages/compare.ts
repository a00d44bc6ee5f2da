import type { Stage } from '../context.ts';
import type { LoadRequest, LoadResult } from '../load-job.ts';
import { cpuMs, rssBytes } from '../processes.ts';
import { progress } from '../report.ts';
import { median } from '../stats.ts';

export interface Comparison {
  /** Names it in the report. */
  readonly what: string;
  readonly connections: number;
  readonly bare: readonly LoadRequest[];
  readonly plugin: readonly LoadRequest[];
}

/** Medians over the rounds of plugin to bare, each round's two runs being neighbours in time; NaN after wrong answers. */
export interface Ratios {
  readonly throughput: number;
  readonly p50: number;
  /** Lowest and highest throughput ratio of a round. */
  readonly spread: string;
}

interface Run extends LoadResult {
  readonly cpuUs: { readonly server: number; readonly host: number; readonly load: number };
}

/** Runs the same requests against both servers in turn; which goes first changes with the round, so that drift cancels. */
export async function compare(stage: Stage, comparison: Comparison): Promise<Ratios> {
  const { effort, bare, product, report } = stage;
  const { what, connections } = comparison;
  const runs: Record<'bare' | 'plugin', Run[]> = { bare: [], plugin: [] };
  const one = async (server: 'bare' | 'plugin', durationMs: number, counts = true): Promise<Run> => {
    const host = server === 'bare' ? null : product.hostPid;
    const pid = server === 'bare' ? bare.pid : product.corePid;
    const before = { server: cpuMs(pid), host: cpuMs(host) };
    const result = await stage.load.run({
      port: server === 'bare' ? bare.port : product.port,
      connections,
      warmMs: effort.warmMs,
      durationMs,
      requests: comparison[server],
    });
    if (result.wrong > 0) {
      report.problem(
        `${what}, ${server}: ${result.wrong} of ${result.total} requests went wrong: ${result.firstWrong}`,
      );
    }
    // Until it has worked, which of the processes is the one that does cannot be told.
    if (counts && server === 'plugin' && product.hostPid !== host)
      report.problem(`${what}: the isolate host was replaced`);
    const each = (milliseconds: number) => (milliseconds * 1000) / result.total;
    const cpuUs = {
      server: each(cpuMs(pid) - before.server),
      host: each(cpuMs(host) - before.host),
      load: each(result.cpuMs),
    };
    return { ...result, cpuUs };
  };

  progress(what);
  // Not counted: code is compiled, and each handler earns its way of being entered.
  await one('bare', effort.runMs / 2, false);
  await one('plugin', effort.runMs, false);
  for (let round = 0; round < effort.rounds; round += 1) {
    const order = round % 2 === 0 ? (['bare', 'plugin'] as const) : (['plugin', 'bare'] as const);
    for (const server of order) runs[server].push(await one(server, effort.runMs));
  }

  for (const server of ['bare', 'plugin'] as const) {
    const of = (pick: (run: Run) => number) => median(runs[server].map(pick));
    report.compared({
      what,
      server,
      perSecond: of(({ perSecond }) => perSecond),
      p50Us: of(({ p50Us }) => p50Us),
      p99Us: of(({ p99Us }) => p99Us),
      cpuUs: {
        server: of(({ cpuUs }) => cpuUs.server),
        host: of(({ cpuUs }) => cpuUs.host),
        load: of(({ cpuUs }) => cpuUs.load),
      },
    });
  }
  const { corePid, hostPid } = product;
  report.memory(`${what}, at once`, rssBytes(corePid), rssBytes(hostPid));
  // A refusal can be quicker than an answer: such figures say nothing.
  const isSound = [...runs.bare, ...runs.plugin].every(({ wrong }) => wrong === 0);
  const ratios = (pick: (run: Run) => number) =>
    runs.plugin.map((run, round) => pick(run) / pick(runs.bare[round] as Run));
  const throughput = ratios(({ perSecond }) => perSecond);
  return {
    throughput: isSound ? median(throughput) : Number.NaN,
    p50: isSound ? median(ratios(({ p50Us }) => p50Us)) : Number.NaN,
    spread: `rounds ${Math.min(...throughput).toFixed(2)} to ${Math.max(...throughput).toFixed(2)}`,
  };
}
