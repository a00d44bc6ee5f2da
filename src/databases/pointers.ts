import type { Db, Trx } from '../db/client.ts';

/** Which database is a plugin's, and as which role it works there. */
export interface Pointer {
  readonly database: string;
  readonly role: string;
}

/** The table `plugin_databases`, kept in memory too: each call asks. */
export class Pointers {
  readonly #db: Db;
  readonly #known = new Map<string, Pointer>();

  constructor(db: Db) {
    this.#db = db;
  }

  async load(): Promise<void> {
    const rows = await this.#db.selectFrom('plugin_databases').select(['plugin_name', 'database', 'role']).execute();
    this.#known.clear();
    for (const { plugin_name, database, role } of rows) this.#known.set(plugin_name, { database, role });
  }

  /** Reads one anew: another core may have changed it. */
  async refresh(plugin: string): Promise<void> {
    const row = await this.#db
      .selectFrom('plugin_databases')
      .select(['database', 'role'])
      .where('plugin_name', '=', plugin)
      .executeTakeFirst();
    if (row === undefined) this.#known.delete(plugin);
    else this.#known.set(plugin, row);
  }

  /** Reads all anew. @returns databases that were a plugin's and are it no more */
  async refreshAll(): Promise<{ readonly plugin: string; readonly database: string }[]> {
    const before = new Map(this.#known);
    await this.load();
    return [...before].flatMap(([plugin, { database }]) =>
      this.#known.get(plugin)?.database === database ? [] : [{ plugin, database }],
    );
  }

  of(plugin: string): Pointer | null {
    return this.#known.get(plugin) ?? null;
  }

  /** Whether it is a plugin's at the moment. */
  names(database: string): boolean {
    return [...this.#known.values()].some((pointer) => pointer.database === database);
  }

  /** Writes it in the transaction; `set` makes it hold here, after the commit. */
  async write(trx: Trx, plugin: string, { database, role }: Pointer): Promise<void> {
    await trx
      .insertInto('plugin_databases')
      .values({ plugin_name: plugin, database, role })
      .onConflict((conflict) => conflict.column('plugin_name').doUpdateSet({ database, role, changed_at: new Date() }))
      .execute();
  }

  set(plugin: string, pointer: Pointer): void {
    this.#known.set(plugin, pointer);
  }

  async remove(trx: Trx, plugin: string): Promise<void> {
    await trx.deleteFrom('plugin_databases').where('plugin_name', '=', plugin).execute();
  }

  forget(plugin: string): void {
    this.#known.delete(plugin);
  }

  /** What tables name: databases of the plugins at the moment, those and the ones of restore points, and roles. */
  async named(): Promise<Named> {
    const rows = await this.#db.selectFrom('plugin_databases').select(['database', 'role']).execute();
    const points = await this.#db.selectFrom('restore_points').select('database').execute();
    const current = new Set(rows.map(({ database }) => database));
    const kept = points.map(({ database }) => database).filter((database) => database !== null);
    return { current, databases: new Set([...current, ...kept]), roles: new Set(rows.map(({ role }) => role)) };
  }
}

export interface Named {
  readonly current: ReadonlySet<string>;
  readonly databases: ReadonlySet<string>;
  readonly roles: ReadonlySet<string>;
}
