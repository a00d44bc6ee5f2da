import { HOST_LIMITS } from '../host/limits.ts';
import type { Placement, Trust } from '../host/placement.ts';
import type { Plugin } from './plugin.ts';

/** Whoever can write to a watched folder has the machine already (docs/adr/0006); an upload is a stranger's. */
const TRUST: Readonly<Record<Plugin['row']['source'], Trust>> = {
  builtin: 'builtin',
  folder: 'verified',
  upload: 'unverified',
};

/** How a plugin is housed. */
export interface Lodging {
  readonly placement: Placement;
  /** It is never run on its process's main thread: it has lost an isolate not long ago, and would hold up the others. */
  readonly onPool: boolean;
}

/**
 * Where the plugin's isolate is to live, and how it is run there.
 *
 * @param ownProcess the admin's wish
 * @param now `performance.now()`
 */
export function lodgingOf(plugin: Plugin, ownProcess: boolean, now: number): Lodging {
  const placement: Placement =
    ownProcess || plugin.apartUntil > now
      ? { kind: 'own', plugin: plugin.name }
      : { kind: 'shared', trust: TRUST[plugin.row.source] };
  return { placement, onPool: plugin.strikes.some((at) => now - at < HOST_LIMITS.apartMs) };
}
