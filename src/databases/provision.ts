import type { DbAddress } from '../db/client.ts';
import { openSession } from '../db/client.ts';
import type { Sql } from '../db/sql.ts';
import type { Log } from '../log.ts';
import type { Keys } from '../secrets/keys.ts';
import { PLUGIN_DATABASE_LIMITS as LIMITS } from './limits.ts';
import { checkedName, type Names } from './names.ts';
import { rolePassword, scramVerifier } from './passwords.ts';
import { REVOKES } from './revokes.ts';
import { assertMayCreate, readFacts } from './server.ts';

export interface ProvisionDeps {
  /** The core's own database, as the core. */
  readonly address: DbAddress;
  readonly sql: Sql;
  readonly names: Names;
  readonly keys: Pick<Keys, 'derive'>;
  /** Whether the server is the core's own. */
  readonly isEmbedded: boolean;
  readonly log: Log;
}

/** Makes, copies, closes and drops databases and roles of plugins, as the core. */
export class Provisioner {
  readonly #deps: ProvisionDeps;

  constructor(deps: ProvisionDeps) {
    this.#deps = deps;
  }

  /** Makes a role that may log in and nothing else. @throws CodedError `database_unavailable` */
  async createRole(): Promise<string> {
    assertMayCreate(await readFacts(this.#deps.sql));
    await this.#closeOthers();
    const role = this.#deps.names.next();
    await this.repairRole(role);
    return role;
  }

  /**
   * Takes CONNECT from PUBLIC, which has it by default, where the core may: on its own database, and on the others of its
   * own server. Whom the operator has granted it by name keeps it.
   */
  async #closeOthers(): Promise<void> {
    const { isEmbedded, sql } = this.#deps;
    const others = isEmbedded ? ['postgres', 'template1'] : [];
    const open = await sql.query<{ name: string }>(
      `select quote_ident(datname) as name from pg_catalog.pg_database
       where (datname = current_database() or datname = any($1)) and pg_has_role(datdba, 'usage')
         and has_database_privilege('public', oid, 'connect')`,
      [others],
    );
    for (const { name } of open) await sql.query(`revoke connect, temporary on database ${name} from public`);
  }

  /**
   * Gives a role again what the core wants it to have: its password, no settings of its own (a role may change both), its
   * limits; and makes it when a restore has left it out.
   *
   * @param database where its settings are reset too
   */
  async repairRole(role: string, database?: string): Promise<void> {
    const { sql, keys } = this.#deps;
    const { isSuperuser, role: core } = await readFacts(sql);
    const name = checkedName(role);
    const known = await sql.query('select 1 from pg_catalog.pg_roles where rolname = $1', [name]);
    if (known.length === 0) {
      await sql.query(`create role ${name}`);
      // Ending its connections and owning its schema take membership, unless one is superuser.
      if (!isSuperuser) await sql.query(`grant ${name} to "${core.replaceAll('"', '""')}"`);
    }
    const verifier = scramVerifier(rolePassword(keys, name));
    await sql.query(`alter role ${name} login password '${verifier}' connection limit ${LIMITS.roleConnections}`);
    await sql.query(`alter role ${name} reset all`);
    if (database !== undefined) await sql.query(`alter role ${name} in database ${checkedName(database)} reset all`);
  }

  /** Makes an empty database for the role: schema `plugin`, and nothing for anybody else. */
  async create(role: string): Promise<string> {
    const { address, sql, names, log } = this.#deps;
    const facts = await readFacts(sql);
    assertMayCreate(facts);
    const name = names.next();
    await sql.query(`create database ${name} template template0 encoding 'UTF8' allow_connections false`);
    try {
      await sql.query(`revoke all on database ${name} from public; alter database ${name} allow_connections true`);
      // Nobody has been there yet: the core never connects as itself to a database in which a plugin has worked.
      const session = await openSession(withDatabase(address, name), log);
      try {
        if (facts.isSuperuser) await session.query(REVOKES);
        await session.query(`drop schema if exists public; create schema plugin authorization ${checkedName(role)}`);
      } finally {
        await session.end();
      }
      await sql.query(`grant connect on database ${name} to ${role}`);
    } catch (error) {
      await this.drop(name);
      throw error;
    }
    return name;
  }

  /** Copies a database that nobody is connected to, for its role. */
  async copy(from: string, role: string): Promise<string> {
    const { sql, names } = this.#deps;
    assertMayCreate(await readFacts(sql));
    const name = names.next();
    const strategy = (await this.bytes(from)) > LIMITS.walCopyBytes ? 'file_copy' : 'wal_log';
    await sql.query(
      `create database ${name} template ${checkedName(from)} strategy ${strategy} allow_connections false`,
    );
    try {
      await sql.query(
        `revoke all on database ${name} from public; grant connect on database ${name} to ${checkedName(role)};
         alter database ${name} allow_connections true`,
      );
    } catch (error) {
      await this.drop(name);
      throw error;
    }
    return name;
  }

  /** Lets its role connect again. */
  async open(database: string): Promise<void> {
    await this.#deps.sql.query(`alter database ${checkedName(database)} allow_connections true`);
  }

  /** Lets nobody connect any more, and ends who is. */
  async close(database: string): Promise<void> {
    await this.#deps.sql.query(`alter database ${checkedName(database)} allow_connections false`);
    await this.endAll(database);
  }

  async endAll(database: string): Promise<void> {
    await this.#deps.sql.query('select pg_terminate_backend(pid) from pg_catalog.pg_stat_activity where datname = $1', [
      database,
    ]);
  }

  /** Ends one process, if it still serves that database. */
  async endProcess(processId: number, database: string): Promise<void> {
    await this.#deps.sql.query(
      'select pg_terminate_backend(pid) from pg_catalog.pg_stat_activity where pid = $1 and datname = $2',
      [processId, database],
    );
  }

  /** Drops a database with whoever is connected. */
  async drop(database: string): Promise<void> {
    await this.#deps.sql.query(`drop database if exists ${checkedName(database)} with (force)`);
  }

  /** Drops a role; false when a database still has something of it (a restore point). */
  async dropRole(role: string): Promise<boolean> {
    try {
      await this.#deps.sql.query(`drop role if exists ${checkedName(role)}`);
      return true;
    } catch (error) {
      if ((error as { code?: unknown }).code !== DEPENDENT) throw error;
      return false;
    }
  }

  async bytes(database: string): Promise<number> {
    const [row] = await this.#deps.sql.query<{ bytes: number }>(
      'select pg_catalog.pg_database_size(oid) as bytes from pg_catalog.pg_database where datname = $1',
      [database],
    );
    return row?.bytes ?? 0;
  }

  /** Databases and roles of this installation that are there. */
  async list(): Promise<{ readonly databases: readonly ListedDatabase[]; readonly roles: readonly string[] }> {
    const { sql, names } = this.#deps;
    const databases = await sql.query<ListedDatabase>(
      `select datname as name, datallowconn as "isOpen" from pg_catalog.pg_database where starts_with(datname, $1)`,
      [names.prefix],
    );
    const roles = await sql.query<{ name: string }>(
      'select rolname as name from pg_catalog.pg_roles where starts_with(rolname, $1)',
      [names.prefix],
    );
    return { databases, roles: roles.map(({ name }) => name) };
  }
}

export interface ListedDatabase {
  readonly name: string;
  /** Whether its role may connect. */
  readonly isOpen: boolean;
}

/** SQLSTATE dependent_objects_still_exist. */
const DEPENDENT = '2BP01';

/** The same server and role, another database. */
function withDatabase(address: DbAddress, database: string): DbAddress {
  if (!('url' in address)) return { ...address, database };
  const url = new URL(address.url);
  url.pathname = `/${database}`;
  for (const name of ['database', 'dbname']) url.searchParams.delete(name);
  return { url: url.href };
}
