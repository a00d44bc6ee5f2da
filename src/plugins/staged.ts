import type { Caller } from '../../sandbox-apis/_kit/contract.ts';
import type { SecretsDeps } from '../../sandbox-apis/secrets/broker.ts';
import type { Vault } from '../secrets/vault.ts';

/** What an isolate has that is loaded for a change which is not committed yet; afterwards it has what its plugin has. */
export interface Staged {
  /** By name; null: those of its plugin. */
  readonly secrets: Readonly<Record<string, string>> | null;
  /** The name that its keys and files are kept under; null: that of its plugin. */
  readonly space: string | null;
  /** While the change is committed: resolves when it is, or is not. */
  committing: Promise<void> | null;
}

export type StagedOf = (isolate: number) => Staged | null;

/** The secrets as isolates see them. */
export function secretsOf(vault: Pick<Vault, 'get' | 'names'>, stagedOf: StagedOf): SecretsDeps['secrets'] {
  return {
    async get({ plugin, isolate }, name) {
      const secrets = stagedOf(isolate)?.secrets ?? null;
      if (secrets === null) return vault.get(plugin, name);
      return Object.hasOwn(secrets, name) ? (secrets[name] ?? null) : null;
    },
    async names({ plugin, isolate }) {
      const secrets = stagedOf(isolate)?.secrets ?? null;
      return secrets === null ? vault.names(plugin) : Object.keys(secrets).sort();
    },
  };
}

type Handler = (caller: Caller, input: never) => unknown;

/**
 * The handlers of a room, for an isolate with a space of its own under that name.
 *
 * @param except calls that are about the plugin whatever it keeps
 */
export function inSpace<H extends { readonly [call: string]: Handler }>(
  handlers: H,
  stagedOf: StagedOf,
  except: readonly (keyof H)[] = [],
): H {
  const wrap =
    (handler: Handler): Handler =>
    (caller, input) => {
      const staged = stagedOf(caller.isolate);
      if (staged === null || staged.space === null) return handler(caller, input);
      if (staged.committing !== null) return staged.committing.then(() => handler(caller, input));
      return handler({ ...caller, plugin: staged.space }, input);
    };
  return Object.fromEntries(
    Object.entries(handlers).map(([call, handler]) => [call, except.includes(call) ? handler : wrap(handler)]),
  ) as H;
}
