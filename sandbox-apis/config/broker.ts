import type { Caller, Handlers } from '../_kit/contract.ts';
import type { configContract } from './contract.ts';

export interface ConfigDeps {
  /** The configuration of the caller's plugin, without the sensitive fields. */
  readonly current: (caller: Caller) => Readonly<Record<string, unknown>>;
}

/** The core's half of `streamspace.config`. */
export function createConfigBroker({ current }: ConfigDeps): Handlers<typeof configContract> {
  return { get: (caller) => ({ config: current(caller) }) };
}
