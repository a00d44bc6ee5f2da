import type { Check } from '../http/health.ts';
import type { Replica } from './replica.ts';

/** What `/readyz?verbose` says of the cores; that one is behind with a plugin is the plugin's failure, not the core's. */
export async function replicasCheck(replica: Pick<Replica, 'list' | 'id'>): Promise<Check> {
  try {
    const all = await replica.list();
    const alive = all.filter((one) => one.alive);
    const behind = alive.flatMap(({ id, behind: plugins }) =>
      Object.keys(plugins).map((plugin) => `${plugin} on ${id}`),
    );
    const late = behind.length === 0 ? '' : `; not as the tables say: ${behind.join(', ')}`;
    return { name: 'replicas', ok: true, detail: `this is ${replica.id}, one of ${alive.length}${late}` };
  } catch (error) {
    return {
      name: 'replicas',
      ok: true,
      detail: `cannot be listed: ${error instanceof Error ? error.message : error}`,
    };
  }
}
