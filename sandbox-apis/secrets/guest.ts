import type { GuestHost } from '../_kit/guest.ts';

/**
 * `streamspace.secrets`: the fields of the configuration that its schema marks as sensitive. They are encrypted at rest,
 * and masked in logs and API answers. Read a secret when you need it and do not keep it.
 */
export interface SecretsApi {
  /**
   * The value of a sensitive field, or null when the admin has not set it.
   * @param name the config field; of a nested one the names joined with dots (`smtp.password`, `servers.0.token`)
   * @throws `secrets_unreadable` when the host's key is not the one that sealed it
   * @example
   * ```ts
   * const password = await streamspace.secrets.get('smtp.password');
   * if (password === null) streamspace.log.warn('no password yet: mails are not sent');
   * ```
   */
  get(name: string): Promise<string | null>;
  /** The names of the sensitive fields that have a value, in alphabetical order. */
  list(): Promise<string[]>;
}

export function createSecrets(host: GuestHost): SecretsApi {
  return {
    async get(name) {
      const { value } = await host.call<{ value: string | null }>('secrets.get', { name });
      return value;
    },
    async list() {
      const { names } = await host.call<{ names: string[] }>('secrets.list', {});
      return names;
    },
  };
}
