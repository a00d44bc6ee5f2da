import type { Column } from '../../sandbox-apis/database/service.ts';
import type { Sql } from '../db/sql.ts';
import type { PluginConnection } from './connection.ts';
import { type Field, inTransaction } from './exchange.ts';
import { PLUGIN_DATABASE_LIMITS as LIMITS } from './limits.ts';

/** Types of a server's own are below (`FirstNormalObjectId`). */
const FIRST_OWN = 16_384;
/** Arrays of all that is divided by commas, which `box` is not. */
const BUILT_IN = `select typarray::int8 as type, oid::int8 as element from pg_catalog.pg_type
  where typarray <> 0 and typdelim = ',' and oid < ${FIRST_OWN}`;
const OWN = `select t.oid, t.typelem from pg_catalog.pg_type t join pg_catalog.pg_type e on e.oid operator(pg_catalog.=) t.typelem
  where t.oid operator(pg_catalog.=) any ($1::pg_catalog.oid[]) and e.typarray operator(pg_catalog.=) t.oid
    and e.typdelim operator(pg_catalog.=) ','`;

/** Which types are arrays, and of what: a result names the type alone. */
export class ArrayTypes {
  readonly #sql: Sql;
  #builtIn: Promise<ReadonlyMap<number, number>> | null = null;
  /** Of each database: type to element; null for a type that is no array. */
  readonly #own = new Map<string, Map<number, number | null>>();

  constructor(sql: Sql) {
    this.#sql = sql;
  }

  /** Describes a result. @param connection on which it came, ready again; types of the plugin's own are looked up there */
  async columns(connection: PluginConnection, fields: readonly Field[], signal: AbortSignal): Promise<Column[]> {
    const builtIn = await this.#ofServer();
    const own = this.#of(connection.database);
    const unknown = fields.map(({ dataTypeID }) => dataTypeID).filter((oid) => oid >= FIRST_OWN && !own.has(oid));
    if (unknown.length > 0) await this.#lookUp(connection, [...new Set(unknown)], own, signal);
    return fields.map(({ name, dataTypeID }) => {
      const element = builtIn.get(dataTypeID) ?? own.get(dataTypeID) ?? null;
      return { name, type: dataTypeID, ...(element === null ? {} : { element }) };
    });
  }

  /** The database is no more. */
  forget(database: string): void {
    this.#own.delete(database);
  }

  #ofServer(): Promise<ReadonlyMap<number, number>> {
    this.#builtIn ??= this.#sql
      .query<{ type: number; element: number }>(BUILT_IN)
      .then((rows) => new Map(rows.map(({ type, element }) => [type, element])));
    this.#builtIn.catch(() => {
      this.#builtIn = null;
    });
    return this.#builtIn;
  }

  #of(database: string): Map<number, number | null> {
    let own = this.#own.get(database);
    if (own === undefined || own.size > LIMITS.types) {
      own = new Map();
      this.#own.set(database, own);
    }
    return own;
  }

  /** What the plugin's own catalog says is about its own values; a lie in it harms nobody else. */
  async #lookUp(connection: PluginConnection, oids: number[], own: Map<number, number | null>, signal: AbortSignal) {
    const { rows } = await connection.run(inTransaction(OWN, [`{${oids.join()}}`], oids.length), signal);
    for (const oid of oids) own.set(oid, null);
    for (const [type, element] of rows) own.set(Number(type), Number(element));
  }
}
