import type { Db, Trx } from '../db/client.ts';
import type { SealedValue } from './envelope.ts';
import type { Keys } from './keys.ts';

export interface Vault {
  /**
   * Makes `secrets` the plugin's secrets: what is not among them is removed. Pass the transaction that stores the rest of
   * the configuration.
   */
  put(plugin: string, secrets: Readonly<Record<string, string>>, on?: Trx): Promise<void>;
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
}

interface SealedRow extends SealedValue {
  readonly name: string;
}

/** Keeps the sensitive config values of the plugins, encrypted, in plugin_secrets. */
export function createVault({ db, keys }: { readonly db: Db; readonly keys: Keys }): Vault {
  const unseal = (plugin: string, row: SealedRow): string => keys.open({ plugin, name: row.name }, row);

  async function put(plugin: string, secrets: Readonly<Record<string, string>>, trx: Trx): Promise<void> {
    const seal = await keys.sealer(trx);
    const names = Object.keys(secrets);
    let stale = trx.deleteFrom('plugin_secrets').where('plugin_name', '=', plugin);
    if (names.length > 0) stale = stale.where('name', 'not in', names);
    await stale.execute();
    if (names.length === 0) return;
    const rows = Object.entries(secrets).map(([name, secret]) => {
      const { sealed, key_id } = seal({ plugin, name }, secret);
      return { plugin_name: plugin, name, sealed: Buffer.from(sealed), key_id };
    });
    await trx
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
  }

  return {
    put: (plugin, secrets, on) =>
      on === undefined ? db.transaction().execute((trx) => put(plugin, secrets, trx)) : put(plugin, secrets, on),

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
  };
}
