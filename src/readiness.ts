import { sql } from 'kysely';
import type { Db } from './db/client.ts';
import type { Supervisor } from './host/supervisor.ts';
import type { Check } from './http/health.ts';
import type { Lifecycle } from './plugins/lifecycle.ts';

/** What `/readyz` looks at: the database, and whether plugins can run and how they are confined. */
export function readinessChecks(deps: {
  readonly db: Db;
  readonly supervisor: Supervisor;
  readonly lifecycle: Lifecycle;
}): () => Promise<readonly Check[]> {
  return async () => [await database(deps.db), isolateHost(deps.supervisor), plugins(deps.lifecycle)];
}

async function database(db: Db): Promise<Check> {
  try {
    await sql`select 1`.execute(db);
    return { name: 'database', ok: true, detail: 'answers' };
  } catch (error) {
    return { name: 'database', ok: false, detail: error instanceof Error ? error.message : String(error) };
  }
}

function isolateHost(supervisor: Supervisor): Check {
  const { layer, pid, isolates, restarts, reach, layers } = supervisor.report();
  if (layer === null || reach === null) return { name: 'isolate-host', ok: false, detail: 'is being started' };
  const reached = Object.entries(reach).flatMap(([what, got]) => (got ? [what] : []));
  const better = layers.find(
    (report) => !report.available && layers.indexOf(report) < layers.findIndex((one) => one.layer === layer),
  );
  const advice = better === undefined ? '' : `; better: ${better.detail}`;
  const reaches = reached.length === 0 ? 'reaches nothing' : `reaches ${reached.join(', ')}`;
  return {
    name: 'isolate-host',
    ok: true,
    detail: `pid ${pid}, layer ${layer}, ${reaches}, ${isolates} isolates, ${restarts} restarts${advice}`,
  };
}

function plugins(lifecycle: Lifecycle): Check {
  const list = lifecycle.list();
  const enabled = list.filter(({ row }) => row.enabled);
  const active = enabled.filter(({ state }) => state.kind === 'active');
  const failed = enabled.filter(({ state }) => state.kind === 'failed' || state.kind === 'quarantined');
  const named = failed.length === 0 ? '' : `; not running: ${failed.map(({ name }) => name).join(', ')}`;
  // One plugin's failure is not the platform's.
  return { name: 'plugins', ok: true, detail: `${active.length} of ${enabled.length} enabled are active${named}` };
}
