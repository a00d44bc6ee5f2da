import type { Caller, Handlers } from '../_kit/contract.ts';
import { CodedError } from '../_kit/errors.ts';
import type { RegistrationSink } from '../_kit/registrations.ts';
import type { pluginsContract } from './contract.ts';

/** Plugins that one call chain may pass through; more is a circle, or might as well be. */
export const MAX_CALL_DEPTH = 4;

export interface PluginsDeps {
  readonly registrations: RegistrationSink;
  /** What is installed under that name; null when nothing is. */
  readonly describe: (name: string) => { name: string; version: string; enabled: boolean; methods: string[] } | null;
  /** Runs an exposed method. Rejects with the codes of the contract. */
  readonly callMethod: (caller: Caller, name: string, method: string, args: readonly unknown[]) => Promise<unknown>;
}

export function createPluginsBroker(deps: PluginsDeps): Handlers<typeof pluginsContract> {
  return {
    get: (_caller, { name }) => deps.describe(name),
    call(caller, { name, method, args }) {
      if (caller.depth >= MAX_CALL_DEPTH) {
        throw new CodedError('too_deep', `The call passed through ${MAX_CALL_DEPTH} plugins already`);
      }
      return deps.callMethod(caller, name, method, args);
    },
    expose: (caller, { method, handler }) => ({
      id: deps.registrations.add(caller, { kind: 'method', name: method, handler }),
    }),
  };
}
