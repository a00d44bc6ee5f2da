import type { Caller, Handlers } from '../_kit/contract.ts';
import type { secretsContract } from './contract.ts';

export interface SecretsDeps {
  readonly secrets: {
    /** @throws CodedError `secrets_unreadable` when it was sealed with another key or is damaged */
    get(caller: Caller, name: string): Promise<string | null>;
    names(caller: Caller): Promise<string[]>;
  };
}

/** The core's half of `streamspace.secrets`. */
export function createSecretsBroker({ secrets }: SecretsDeps): Handlers<typeof secretsContract> {
  return {
    get: async (caller, { name }) => ({ value: await secrets.get(caller, name) }),
    list: async (caller) => ({ names: await secrets.names(caller) }),
  };
}
