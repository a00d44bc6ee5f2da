import type { Instance } from './instance.ts';

/** Why a plugin is not (or not in its newest version) running; positions are the plugin's own files. */
export interface PluginFailure {
  readonly code: string;
  readonly message: string;
  readonly stack: string | null;
  readonly at: string;
}

/** What a plugin is doing. The payload is only there where the state has it. */
export type PluginState =
  /** Known, not enabled. */
  | { readonly kind: 'installed' }
  /** On its way: at start, when it is enabled, after its isolate was lost. */
  | { readonly kind: 'loading' }
  /** Serving; `reloadFailure` when a newer version did not load and this one goes on. */
  | { readonly kind: 'active'; readonly instance: Instance; readonly reloadFailure: PluginFailure | null }
  | { readonly kind: 'failed'; readonly failure: PluginFailure }
  | { readonly kind: 'quarantined'; readonly reason: string };
