import type { PluginDatabases } from '../databases/databases.ts';
import type { Db } from '../db/client.ts';
import type { Log } from '../log.ts';
import type { Manifest } from '../packages/manifest.ts';
import { NotConverged } from '../replicas/convergence.ts';
import type { Redactor } from '../secrets/redact.ts';
import type { Vault } from '../secrets/vault.ts';
import type { Plugin } from './plugin.ts';
import type { PluginPackages } from './plugin-packages.ts';
import { type PluginRow, readPlugin } from './store.ts';
import { adopt, type SwapDeps } from './swap.ts';

export interface ConformDeps {
  readonly db: Db;
  readonly log: Log;
  readonly redactor: Redactor;
  readonly vault: Pick<Vault, 'getAll'>;
  readonly databases: Pick<PluginDatabases, 'refresh'>;
  readonly packages: PluginPackages;
  readonly swapping: SwapDeps;
  /** Lists a plugin under its manifest. */
  readonly describe: (plugin: Plugin, manifest: Manifest) => void;
  /** Takes a plugin off the list, with what is in memory under its name. */
  readonly drop: (plugin: Plugin) => void;
}

/**
 * Makes a plugin as its row says, or takes it away when there is none; for what other cores change. Whoever calls has taken
 * the plugin's turn. What is so already stays untouched, so the core that made a change does not make it twice.
 *
 * @throws NotConverged when it does not load here; what served before goes on
 */
export async function conform(deps: ConformDeps, plugin: Plugin): Promise<void> {
  const row = await readPlugin(deps.db, plugin.name);
  // Its first install is under way here.
  if (plugin.row.id === 0) return;
  if (row === null) {
    await deps.swapping.traffic.leave(plugin);
    deps.drop(plugin);
    return;
  }
  const isNews = row.revision !== plugin.row.revision;
  plugin.row = row;
  if (isNews) deps.redactor.set(plugin.name, Object.values(await deps.vault.getAll(plugin.name)));
  if (!row.enabled) return turnOff(deps, plugin, isNews);
  if (row.quarantineReason !== null) return quarantine(plugin, row.quarantineReason);
  if (plugin.loaded === row.generation && (plugin.instance !== null || plugin.isAsleep)) {
    // One that hibernates finds its configuration when it wakes.
    if (isNews) await configure(deps, plugin, row);
    return;
  }
  await load(deps, plugin);
}

async function turnOff({ swapping, log, packages, describe }: ConformDeps, plugin: Plugin, isNews: boolean) {
  if (plugin.state.kind !== 'installed') await swapping.traffic.leave(plugin);
  if (!isNews) return;
  try {
    describe(plugin, packages.manifestOf(await packages.of(plugin)));
  } catch (error) {
    log.debug({ err: error, plugin: plugin.name }, 'the package of a plugin that is off cannot be read');
  }
}

function quarantine(plugin: Plugin, reason: string): void {
  const live = plugin.instance;
  plugin.state = { kind: 'quarantined', reason };
  plugin.loaded = 0;
  live?.guest.dispose();
}

async function configure({ log }: ConformDeps, plugin: Plugin, row: PluginRow): Promise<void> {
  await plugin.instance
    ?.configure(row.config)
    .catch((error: unknown) => log.warn({ err: error, plugin: plugin.name }, 'onConfigChange failed'));
}

async function load({ databases, swapping }: ConformDeps, plugin: Plugin): Promise<void> {
  await databases.refresh(plugin.name);
  if (plugin.instance === null) {
    const kept = plugin.registrations;
    plugin.state = { kind: 'loading', ...(kept === null ? {} : { kept }) };
  }
  try {
    await adopt(swapping, plugin);
  } catch (error) {
    throw new NotConverged(plugin.name, plugin.row.revision, error);
  }
}
