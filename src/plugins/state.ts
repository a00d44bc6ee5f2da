import type { Instance } from './instance.ts';
import type { RegistrationSet } from './registrations.ts';

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
  /** On its way: at start, when it is enabled, after its isolate was lost; `kept` when it wakes. */
  | { readonly kind: 'loading'; readonly kept?: RegistrationSet }
  /** Serving; `reloadFailure` when a newer version did not load and this one goes on. */
  | { readonly kind: 'active'; readonly instance: Instance; readonly reloadFailure: PluginFailure | null }
  /** No isolate in memory: it was idle. What it registered is kept, and the next invocation brings it back. */
  | { readonly kind: 'hibernated'; readonly kept: RegistrationSet }
  /** `retry`: it did not wake, and the first invocation after `at` (by `performance.now()`) tries again. */
  | {
      readonly kind: 'failed';
      readonly failure: PluginFailure;
      readonly retry?: { readonly at: number; readonly kept: RegistrationSet };
    }
  | { readonly kind: 'quarantined'; readonly reason: string };
