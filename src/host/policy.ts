import type { ReadyHead } from '../../runtime/protocol/messages.ts';
import { CodedError } from '../../sandbox-apis/_kit/errors.ts';
import type { Log } from '../log.ts';
import type { PluginSource } from '../plugins/store.ts';
import type { LayerReport } from './confinement.ts';

export type Reach = ReadyHead['reach'];

/** How the isolate hosts are confined, as the supervisor reports it. */
export interface Standing {
  readonly layer: LayerReport['layer'] | null;
  readonly layers: readonly LayerReport[];
  /** What a host could reach when it tried; null while none has started. */
  readonly reach: Reach | null;
}

const REACHED: Readonly<Record<keyof Reach, string>> = {
  env: 'it has an environment',
  files: 'it can read or write files that are not its code',
  sockets: 'it can open sockets',
  processes: 'it can start or signal processes, or see others',
  parent: 'it can signal the core or look into it',
  descriptors: 'it has inherited open files',
};

/**
 * What is wrong with the confinement, in words; empty when it may hold a stranger's plugin. The probe tries what
 * JavaScript can do; where nothing but Node itself refuses, a bypass of Node is all that it takes.
 */
export function weaknesses({ layer, layers, reach }: Standing): readonly string[] {
  if (layer === null || reach === null) return ['no isolate host has started'];
  const reached = (Object.keys(REACHED) as (keyof Reach)[]).filter((what) => reach[what]);
  const report = layers.find((one) => one.layer === layer);
  const bare = report === undefined || isBare(report);
  return [...reached.map((what) => REACHED[what]), ...(bare ? ["only Node's own permission model confines it"] : [])];
}

/** Whether nothing but Node itself stands between a plugin that broke out and the files or processes of the core. */
export function isBare({ layer, seccomp, files }: Pick<LayerReport, 'layer' | 'seccomp' | 'files'>): boolean {
  return layer === 'permission' && !(seccomp && files);
}

/** Whether plugins run that this confinement should not hold, because the operator said so. */
export function warning(standing: Standing, allowUnconfined: boolean): string | null {
  const weak = weaknesses(standing);
  if (weak.length === 0 || !allowUnconfined) return null;
  return `STREAMSPACE_ALLOW_UNCONFINED is set, so plugins from outside run although the isolate host is weak: ${weak.join('; ')}`;
}

/**
 * Lets a plugin be loaded, or not. Those that come with the core, and those in watched folders (docs/adr/0006), are the
 * operator's own.
 *
 * @throws CodedError `confinement_required` for an upload where the confinement is weak and the operator did not allow it
 */
export function assertMayRun(
  plugin: { readonly name: string; readonly source: PluginSource },
  standing: Standing,
  options: { readonly allowUnconfined: boolean; readonly log: Log },
): void {
  if (plugin.source !== 'upload') return;
  const weak = weaknesses(standing);
  if (weak.length === 0) return;
  if (options.allowUnconfined) {
    options.log.warn({ plugin: plugin.name, weaknesses: weak }, 'an upload is loaded into a weak confinement');
    return;
  }
  throw new CodedError(
    'confinement_required',
    `The process that would run ${plugin.name} is not confined: ${weak.join('; ')}. \`streamspace doctor\` says how to ` +
      'change that; STREAMSPACE_ALLOW_UNCONFINED=1 runs uploads nevertheless',
    { weaknesses: weak },
  );
}
