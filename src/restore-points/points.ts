import { DatabaseError } from 'pg';
import { CodedError } from '../../sandbox-apis/_kit/errors.ts';
import type { PluginDatabases } from '../databases/databases.ts';
import type { Db, Trx } from '../db/client.ts';
import type { Log } from '../log.ts';
import type { PluginRow } from '../plugins/store.ts';
import type { Keys } from '../secrets/keys.ts';
import type { RestorePart } from './parts.ts';
import { captureSecrets, readSecrets } from './secrets.ts';
import { spaceName } from './spaces.ts';
import {
  deletePoint,
  insertPoint,
  listPoints,
  markReady,
  outlivedPoints,
  pluginOf,
  pluginsWithPoints,
  type RestorePoint,
  type RestoreReason,
  unfinishedPoints,
} from './store.ts';

export interface RestorePointsDeps {
  readonly db: Db;
  readonly log: Log;
  readonly databases: Pick<PluginDatabases, 'dropDatabase'>;
  readonly keys: Pick<Keys, 'hold' | 'open'>;
  /** The plugin's data besides its database. */
  readonly parts: readonly RestorePart[];
  /** Id of this core: while it lives, no other removes what it prepares. */
  readonly owner?: string;
}

/** SQLSTATE of a write over a quota (migrations/0004_storage.sql, 0012_files.sql). */
const QUOTA = 'SS001';

/** Keeps what plugins were before their upgrades. Whoever changes the points of an installed plugin has its turn. */
export class RestorePoints {
  readonly #deps: RestorePointsDeps;

  constructor(deps: RestorePointsDeps) {
    this.#deps = deps;
  }

  /**
   * Captures all but the database, in a transaction of its own: it counts once the transaction is committed in which
   * `confirm` was called.
   */
  begin(row: PluginRow, reason: RestoreReason): Promise<number> {
    return this.#deps.db.transaction().execute(async (trx) => {
      const point = await insertPoint(trx, row, reason, this.#deps.owner ?? null);
      await captureSecrets(trx, this.#deps.keys, row.name, point);
      for (const part of this.#deps.parts) await part.capture(trx, row.name, point);
      return point;
    });
  }

  /** @param database what was the plugin's until this transaction; null when it had none */
  async confirm(trx: Trx, point: number, database: string | null): Promise<void> {
    await markReady(trx, point, database);
  }

  async has(plugin: string): Promise<boolean> {
    return (await this.list(plugin)).length > 0;
  }

  /** Those of a plugin, the newest first. */
  list(plugin: string): Promise<RestorePoint[]> {
    return listPoints(this.#deps.db, plugin);
  }

  /**
   * The newest that fits.
   *
   * @throws CodedError `restore_point_not_found`
   */
  async find(
    plugin: string,
    { id, version }: { readonly id?: number; readonly version?: string },
  ): Promise<RestorePoint> {
    const points = await this.list(plugin);
    const found = points.find(
      (point) => (id === undefined || point.id === id) && (version === undefined || point.version === version),
    );
    if (found !== undefined) return found;
    const what =
      id !== undefined ? `restore point ${id}` : `restore point${version === undefined ? '' : ` of ${version}`}`;
    const kept = points.map((point) => `${point.id} (${point.version})`).join(', ');
    throw new CodedError(
      'restore_point_not_found',
      `The plugin ${plugin} has no ${what}; it has ${kept === '' ? 'none' : kept}`,
    );
  }

  /** Sensitive values of that time. @throws CodedError `secrets_unreadable` */
  secretsOf(point: RestorePoint): Promise<Record<string, string>> {
    return readSecrets(this.#deps.db, this.#deps.keys, point);
  }

  /**
   * Opens the space of a change: keys and files for the version that is loaded for it. It goes with the point of the change
   * unless it is merged.
   *
   * @param point that of the change, begun and not confirmed
   * @param from the point whose data is there first
   * @returns its name
   */
  async openSpace(plugin: string, point: number, from: number): Promise<string> {
    const space = spaceName(plugin, point);
    await this.#deps.db.transaction().execute(async (trx) => {
      for (const part of this.#deps.parts) await part.restore(trx, space, from);
    });
    return space;
  }

  /**
   * Makes the plugin's what was changed in a space since it was opened; there is none afterwards.
   *
   * @throws CodedError `quota_exceeded`
   */
  async mergeSpace(trx: Trx, plugin: string, point: number, from: number): Promise<void> {
    const space = spaceName(plugin, point);
    try {
      for (const part of this.#deps.parts) await part.merge(trx, plugin, space, from);
    } catch (error) {
      if (!(error instanceof DatabaseError) || error.code !== QUOTA) throw error;
      const message = `What ${plugin} stored while it was loaded is ${error.message}`;
      throw new CodedError('quota_exceeded', message, { resetsAt: null });
    }
    for (const part of this.#deps.parts) await part.forget(trx, space);
  }

  /** Makes the captured data the plugin's, but for its database and what its row in `installed_plugins` has. */
  async restore(trx: Trx, { plugin, id }: RestorePoint): Promise<void> {
    for (const part of this.#deps.parts) await part.restore(trx, plugin, id);
  }

  /** Removes points and the databases that they named. A database that a crash leaves, the next start drops. */
  async remove(ids: readonly number[]): Promise<void> {
    for (const id of ids) {
      const database = await this.#deps.db.transaction().execute((trx) => this.#delete(trx, id));
      if (database !== null) await this.#deps.databases.dropDatabase(database);
    }
  }

  /** Removes all of a plugin. Call what it answers after the commit: it drops their databases. */
  async dropPlugin(plugin: string, trx: Trx): Promise<() => Promise<void>> {
    const rows = await trx.selectFrom('restore_points').select('id').where('plugin_name', '=', plugin).execute();
    const databases: string[] = [];
    for (const { id } of rows) {
      const database = await this.#delete(trx, id);
      if (database !== null) databases.push(database);
    }
    return async () => {
      for (const database of databases) await this.#deps.databases.dropDatabase(database);
    };
  }

  async #delete(trx: Trx, id: number): Promise<string | null> {
    const plugin = await pluginOf(trx, id);
    for (const part of this.#deps.parts) {
      await part.drop(trx, id);
      if (plugin !== null) await part.forget(trx, spaceName(plugin, id));
    }
    return deletePoint(trx, id);
  }

  /** Removes those of a plugin that are too many or too old; what cannot be removed now is tried again within the hour. */
  async prune(plugin: string): Promise<void> {
    try {
      await this.remove(await outlivedPoints(this.#deps.db, plugin));
    } catch (error) {
      this.#deps.log.warn({ err: error, plugin }, 'old restore points were not removed');
    }
  }

  /** The plugins that have points; they need not be installed any more. */
  plugins(): Promise<string[]> {
    return pluginsWithPoints(this.#deps.db);
  }

  /** Removes what a crash left before it counted. At start, before the databases are swept. */
  async sweep(): Promise<void> {
    await this.remove(await unfinishedPoints(this.#deps.db));
  }
}
