import { CodedError } from '../../sandbox-apis/_kit/errors.ts';
import type { Db, Trx } from '../db/client.ts';
import { open, seal, sealingKey } from './envelope.ts';

export interface Vault {
  /**
   * Makes `secrets` the plugin's secrets: what is not among them is removed. Pass the transaction that stores the rest of
   * the configuration.
   */
  put(plugin: string, secrets: Readonly<Record<string, string>>, on?: Db | Trx): Promise<void>;
  /** @throws CodedError `secrets_unreadable` */
  get(plugin: string, name: string): Promise<string | null>;
  /**
   * All secrets of the plugin by name.
   * @throws CodedError `secrets_unreadable`
   */
  getAll(plugin: string, on?: Db | Trx): Promise<Record<string, string>>;
  /** The names alone, in alphabetical order; opens nothing. */
  names(plugin: string, on?: Db | Trx): Promise<string[]>;
  delete(plugin: string, name: string, on?: Db | Trx): Promise<boolean>;
  dropPlugin(plugin: string, on?: Db | Trx): Promise<void>;
  /**
   * Call it at start, so that a wrong key shows before a plugin fails.
   * @throws CodedError `secrets_unreadable` that names the plugins whose secrets another key sealed
   */
  verify(): Promise<void>;
}

interface SealedRow {
  readonly name: string;
  readonly sealed: Uint8Array;
  readonly key_id: string;
}

/**
 * Keeps the sensitive config values of the plugins, encrypted, in plugin_secrets.
 * @param key the 32 bytes of STREAMSPACE_SECRET_KEY
 */
export function createVault({ db, key: master }: { readonly db: Db; readonly key: Uint8Array }): Vault {
  const key = sealingKey(master);

  function unseal(plugin: string, { name, sealed, key_id }: SealedRow): string {
    if (key_id !== key.id) throw wrongKey(`the secret "${name}" of plugin "${plugin}"`);
    try {
      return open(key, { plugin, name }, sealed);
    } catch (cause) {
      const damaged = `The secret "${name}" of plugin "${plugin}" is damaged: enter it again`;
      throw Object.assign(new CodedError('secrets_unreadable', damaged), { cause });
    }
  }

  return {
    async put(plugin, secrets, on = db) {
      const names = Object.keys(secrets);
      let stale = on.deleteFrom('plugin_secrets').where('plugin_name', '=', plugin);
      if (names.length > 0) stale = stale.where('name', 'not in', names);
      await stale.execute();
      if (names.length === 0) return;
      const rows = Object.entries(secrets).map(([name, secret]) => ({
        plugin_name: plugin,
        name,
        sealed: seal(key, { plugin, name }, secret),
        key_id: key.id,
      }));
      await on
        .insertInto('plugin_secrets')
        .values(rows)
        .onConflict((conflict) =>
          conflict.columns(['plugin_name', 'name']).doUpdateSet((row) => ({
            sealed: row.ref('excluded.sealed'),
            key_id: row.ref('excluded.key_id'),
            updated_at: new Date(),
          })),
        )
        .execute();
    },

    async get(plugin, name) {
      const row = await db
        .selectFrom('plugin_secrets')
        .select(['name', 'sealed', 'key_id'])
        .where('plugin_name', '=', plugin)
        .where('name', '=', name)
        .executeTakeFirst();
      return row === undefined ? null : unseal(plugin, row);
    },

    async getAll(plugin, on = db) {
      const rows = await on
        .selectFrom('plugin_secrets')
        .select(['name', 'sealed', 'key_id'])
        .where('plugin_name', '=', plugin)
        .execute();
      return Object.fromEntries(rows.map((row) => [row.name, unseal(plugin, row)]));
    },

    async names(plugin, on = db) {
      const rows = await on.selectFrom('plugin_secrets').select('name').where('plugin_name', '=', plugin).execute();
      return rows.map(({ name }) => name).sort();
    },

    async delete(plugin, name, on = db) {
      const { numDeletedRows } = await on
        .deleteFrom('plugin_secrets')
        .where('plugin_name', '=', plugin)
        .where('name', '=', name)
        .executeTakeFirst();
      return numDeletedRows > 0n;
    },

    async dropPlugin(plugin, on = db) {
      await on.deleteFrom('plugin_secrets').where('plugin_name', '=', plugin).execute();
    },

    async verify() {
      const rows = await db
        .selectFrom('plugin_secrets')
        .select('plugin_name')
        .distinct()
        .where('key_id', '!=', key.id)
        .orderBy('plugin_name')
        .limit(10)
        .execute();
      if (rows.length > 0) throw wrongKey(`the secrets of ${rows.map((row) => `"${row.plugin_name}"`).join(', ')}`);
    },
  };
}

function wrongKey(what: string): CodedError {
  return new CodedError(
    'secrets_unreadable',
    `STREAMSPACE_SECRET_KEY does not match: ${what} cannot be opened, for another key sealed it. Start with that key (in DATA_DIR/secret.key unless it was set), or enter the secrets again`,
  );
}
