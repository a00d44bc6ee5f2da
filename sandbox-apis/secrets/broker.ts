import type { Handlers } from '../_kit/contract.ts';
import type { secretsContract } from './contract.ts';

export interface SecretsDeps {
  readonly secrets: {
    /** @throws CodedError `secrets_unreadable` when it was sealed with another key or is damaged */
    get(plugin: string, name: string): Promise<string | null>;
    names(plugin: string): Promise<string[]>;
  };
}

/** The core's half of `streamspace.secrets`. */
export function createSecretsBroker({ secrets }: SecretsDeps): Handlers<typeof secretsContract> {
  return {
    get: async ({ plugin }, { name }) => ({ value: await secrets.get(plugin, name) }),
    list: async ({ plugin }) => ({ names: await secrets.names(plugin) }),
  };
}
