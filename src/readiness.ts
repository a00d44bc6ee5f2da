import { sql } from 'kysely';
import type { Db } from './db/client.ts';
import { warning, weaknesses } from './host/policy.ts';
import type { Supervisor } from './host/supervisor.ts';
import type { Check } from './http/health.ts';
import type { Lifecycle } from './plugins/lifecycle.ts';

/** What `/readyz` looks at: the database, and whether plugins can run and how they are confined. */
export function readinessChecks(deps: {
  readonly db: Db;
  readonly supervisor: Supervisor;
  readonly lifecycle: Lifecycle;
  /** Whether uploads run where the confinement is weak. */
  readonly allowUnconfined: boolean;
}): () => Promise<readonly Check[]> {
  return async () => [
    await database(deps.db),
    isolateHost(deps.supervisor, deps.allowUnconfined),
    plugins(deps.lifecycle),
  ];
}

async function database(db: Db): Promise<Check> {
  try {
    await sql`select 1`.execute(db);
    return { name: 'database', ok: true, detail: 'answers' };
  } catch (error) {
    return { name: 'database', ok: false, detail: error instanceof Error ? error.message : String(error) };
  }
}

function isolateHost(supervisor: Supervisor, allowUnconfined: boolean): Check {
  const report = supervisor.report();
  const { layer, hosts, restarts, reach, layers, problem } = report;
  if (layer === null || reach === null) return { name: 'isolate-host', ok: false, detail: 'is being started' };
  if (problem !== null) return { name: 'isolate-host', ok: false, detail: problem };
  const reached = Object.entries(reach).flatMap(([what, got]) => (got ? [what] : []));
  const at = layers.findIndex((one) => one.layer === layer);
  const better = layers.find((one, index) => !one.available && index < at);
  const advice = better === undefined ? '' : `; better: ${better.detail}`;
  const where = report.isRemote ? ' in another container' : '';
  const locks = layers[at]?.seccomp ? 'seccomp on' : 'no seccomp';
  const warned = warning(report, allowUnconfined);
  const uploads = weaknesses(report).length > 0 && !allowUnconfined ? '; uploaded plugins are refused' : '';
  const reaches = reached.length === 0 ? 'reaches nothing' : `reaches ${reached.join(', ')}`;
  const processes = hosts
    .map(
      ({ name, pid, isolates, rss }) =>
        `${name}: pid ${pid ?? '-'}, ${isolates} isolates, ${Math.round(rss / 2 ** 20)} MB`,
    )
    .join('; ');
  return {
    name: 'isolate-host',
    ok: true,
    detail: `${warned === null ? '' : `WARNING: ${warned}; `}layer ${layer}${where}, ${locks}, ${reaches}${uploads}, ${restarts} restarts${advice}; ${processes}`,
  };
}

function plugins(lifecycle: Lifecycle): Check {
  const list = lifecycle.list();
  const enabled = list.filter(({ row }) => row.enabled);
  const active = enabled.filter(({ state }) => state.kind === 'active');
  const resting = enabled.filter(({ state }) => state.kind === 'hibernated');
  const failed = enabled.filter(({ state }) => state.kind === 'failed' || state.kind === 'quarantined');
  const named = failed.length === 0 ? '' : `; not running: ${failed.map(({ name }) => name).join(', ')}`;
  // One plugin's failure is not the platform's.
  const detail = `${active.length} of ${enabled.length} enabled are active, ${resting.length} hibernated${named}`;
  return { name: 'plugins', ok: true, detail };
}
