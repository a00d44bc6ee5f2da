import { CodedError } from '../../sandbox-apis/_kit/errors.ts';
import { type CarryOutDeps, carryOut } from './carry-out.ts';
import { HIBERNATION_LIMITS } from './hibernation.ts';
import type { Instance } from './instance.ts';
import { toFailure } from './loader.ts';
import type { Loads } from './loads.ts';
import type { Plugin } from './plugin.ts';
import { noteUpgrade, SYSTEM } from './requests.ts';
import type { Stages } from './stages.ts';
import { updatePlugin } from './store.ts';
import type { Traffic } from './traffic.ts';

export interface SwapDeps extends CarryOutDeps {
  readonly loads: Loads;
  readonly stages: Stages;
  readonly traffic: Traffic;
  /** Lists a plugin under the manifest of an instance that is about to serve. */
  readonly place: (plugin: Plugin, instance: Instance) => void;
}

/**
 * Loads what is installed as it is now, and moves the traffic there. A folder may hold another version or further
 * migrations by now, and the core may have come with one: that is an upgrade, with all that belongs to it.
 *
 * @param inspect whether the new isolate is to be inspected
 * @throws CodedError why it did not load; what served before goes on, with that as its `reloadFailure`
 */
export function swap(deps: SwapDeps, plugin: Plugin, inspect: boolean): Promise<void> {
  return orFailed(plugin, () => reload(deps, plugin, inspect));
}

/** Does it; its failure is the plugin's state. */
async function orFailed(plugin: Plugin, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    const failure = toFailure(error);
    const live = plugin.instance;
    const kept = plugin.registrations;
    if (live !== null) plugin.state = { kind: 'active', instance: live, reloadFailure: failure };
    else if (error instanceof CodedError && error.code === 'plugin_unavailable') {
      plugin.state = { kind: 'loading', ...(kept === null ? {} : { kept }) };
    } else {
      // What worked until it hibernated may be held up by no more than a network that is down.
      const retry = kept === null ? {} : { retry: { at: performance.now() + HIBERNATION_LIMITS.retryMs, kept } };
      plugin.state = { kind: 'failed', failure, ...retry };
    }
    throw error;
  }
}

/**
 * Loads a plugin as another core has installed it, and moves the traffic there. It writes nothing of what is installed: two
 * cores with different folders would change it in turn.
 *
 * @throws CodedError why it did not load; what served before goes on, with that as its `reloadFailure`
 */
export function adopt(deps: SwapDeps, plugin: Plugin): Promise<void> {
  return orFailed(plugin, async () => {
    const { loads, traffic, place } = deps;
    const { row } = plugin;
    const { request, load } = await loads.current(plugin);
    if (request.pkg.digest !== row.packageDigest) {
      throw new CodedError(
        'plugin_load_failed',
        `The folder of ${plugin.name} holds ${request.manifest.version} here, and not the package that is installed ` +
          `(${row.version}): give every core the same folders`,
      );
    }
    const instance = await load();
    place(plugin, instance);
    await traffic.activate(plugin, instance);
  });
}

async function reload(deps: SwapDeps, plugin: Plugin, inspect: boolean): Promise<void> {
  const { loads, stages, traffic, place } = deps;
  const { row } = plugin;
  const { request, load, toSeal } = await loads.current(plugin);
  const { pkg, manifest, grants } = request;
  const stage = await stages.open({ pkg, manifest, grants, row, isLoaded: true });
  if (manifest.version === row.version && pkg.digest === row.packageDigest && stage.isEmpty) {
    const instance = await load({ inspect });
    place(plugin, instance);
    await traffic.activate(plugin, instance);
    return;
  }
  const isOther = manifest.version !== row.version;
  const { written, instance } = await carryOut(deps, stage, {
    load: () => load({ inspect, ...stage.binding(toSeal?.secrets ?? null) }),
    write: async (trx) => {
      if (toSeal !== null) await loads.seal(row.name, toSeal, trx);
      const saved = await updatePlugin(
        trx,
        row.name,
        {
          version: manifest.version,
          packageDigest: pkg.digest,
          grants,
          ...(toSeal === null ? {} : { config: toSeal.plain }),
        },
        row.revision,
      );
      if (isOther) await noteUpgrade(trx, SYSTEM, { manifest, digest: pkg.digest, grants, from: row.version });
      return saved;
    },
  });
  plugin.row = written;
  if (instance === null) return;
  place(plugin, instance);
  await traffic.takeOver(plugin, instance);
  if (isOther) await traffic.courtesy(instance, 'onUpgrade', [row.version]);
}
