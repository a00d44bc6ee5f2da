import { ownerOf } from '../restore-points/spaces.ts';
import type { BlobBackend } from './backend.ts';

/** Where files are kept: on the local disk, or by what a plugin provides. */
export type BackendName = 'local' | `plugin:${string}`;

export interface Backends {
  /** The one that keeps what is written from now on, and its name. A plugin's own files are not kept by itself. */
  forWriting(plugin: string): { readonly name: BackendName; readonly backend: BlobBackend };
  /** The one that a blob says it is kept by. */
  of(name: string): BlobBackend;
}

export interface BackendsDeps {
  /** What the operator chose. */
  readonly chosen: BackendName;
  readonly local: BlobBackend;
  /** What a plugin provides; whether it does shows when it is asked for something. */
  readonly ofPlugin: (plugin: string) => BlobBackend;
}

const PLUGIN = 'plugin:';

export function createBackends({ chosen, local, ofPlugin }: BackendsDeps): Backends {
  const of = (name: string): BlobBackend => (name.startsWith(PLUGIN) ? ofPlugin(name.slice(PLUGIN.length)) : local);
  return {
    of,
    forWriting(plugin) {
      const name = chosen === `${PLUGIN}${ownerOf(plugin)}` ? 'local' : chosen;
      return { name, backend: of(name) };
    },
  };
}
