import { CodedError } from '../../sandbox-apis/_kit/errors.ts';
import type { Sql } from '../db/sql.ts';

/** What the core may do on the server, and where it is. */
export interface ServerFacts {
  /** `server_version_num`, such as 180000. */
  readonly version: number;
  readonly maxConnections: number;
  /** Role and database of the core itself. */
  readonly role: string;
  readonly databaseOid: number;
  readonly isSuperuser: boolean;
  readonly mayCreate: boolean;
}

/** `create database .. strategy`, and a `public` schema that is closed, are of this version. */
const LEAST_VERSION = 150_000;

/** Asks the server; it may answer otherwise later, when somebody has granted something. */
export async function readFacts(sql: Sql): Promise<ServerFacts> {
  const [row] = await sql.query<{
    version: number;
    max: number;
    role: string;
    oid: number;
    su: boolean;
    may: boolean;
  }>(`
    select current_setting('server_version_num')::int as version, current_setting('max_connections')::int as max,
      r.rolname as role, d.oid::int8 as oid, r.rolsuper as su, r.rolsuper or (r.rolcreatedb and r.rolcreaterole) as may
    from pg_catalog.pg_roles r, pg_catalog.pg_database d
    where r.rolname = current_user and d.datname = current_database()`);
  if (row === undefined) throw new Error('the server does not know the role of the core');
  const { version, max, role, oid, su, may } = row;
  return { version, maxConnections: max, role, databaseOid: oid, isSuperuser: su, mayCreate: may };
}

/** @throws CodedError `database_unavailable` that says what to grant */
export function assertMayCreate({ mayCreate, role, version }: ServerFacts): void {
  if (version < LEAST_VERSION) {
    throw new CodedError('database_unavailable', 'Databases of plugins need PostgreSQL 15 or later');
  }
  if (mayCreate) return;
  const quoted = role.replaceAll('"', '""');
  throw new CodedError(
    'database_unavailable',
    `A plugin with the permission "database" gets a database and a role of its own, which the core may not make: run \`alter role "${quoted}" createdb createrole\` as a superuser of the server in DATABASE_URL`,
  );
}
