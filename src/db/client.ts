import { Kysely, PostgresDialect, type RawBuilder, type Transaction } from 'kysely';
import pg from 'pg';
import type { Log } from '../log.ts';
import type { DB } from './tables.ts';

export type Db = Kysely<DB>;
export type Trx = Transaction<DB>;

/** Where a database is and as whom to reach it: a URL, or a server on a unix socket. */
export type DbAddress = DbUrl | DbSocket;

export interface DbUrl {
  /** `postgres://user:password@host:port/database?sslmode=verify-full`. */
  readonly url: string;
}

export interface DbSocket {
  /** Folder that holds the socket `.s.PGSQL.<port>`. */
  readonly socketDir: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
  readonly database: string;
}

export interface DbOptions {
  readonly address: DbAddress;
  /** The most connections at a time. */
  readonly max: number;
  readonly log: Log;
}

/** The connections below each query builder. */
const pools = new WeakMap<Db, pg.Pool>();
const CONNECT_MS = 10_000;
const IDLE_MS = 60_000;
const { builtins } = pg.types;
const INT8_ARRAY = 1016;

/**
 * How values come back: `bigint` is a number (our ids and sizes stay below 2^53), `date` text as it is (a Date would
 * shift it by the time zone), the rest as pg does it: `numeric` a string, `timestamptz` a Date, `bytea` a Buffer.
 */
const types: pg.CustomTypesConfig = {
  getTypeParser: (oid: number, format?: 'text' | 'binary') => {
    if (oid === builtins.INT8) return Number;
    if (oid === builtins.DATE) return String;
    const parse = pg.types.getTypeParser(oid, format as 'text');
    return oid === INT8_ARRAY ? (text: string) => parse(text).map(Number) : parse;
  },
};

function clientConfig(address: DbAddress): pg.ClientConfig {
  const common = { types, application_name: 'streamspace', keepAlive: true, connectionTimeoutMillis: CONNECT_MS };
  if ('url' in address) return { ...common, connectionString: address.url };
  const { socketDir, port, user, password, database } = address;
  return { ...common, host: socketDir, port, user, password, database, ssl: false };
}

/** A pool of connections, each made when it is first needed. One that is lost is replaced. */
export function createPool({ address, max, log }: DbOptions): pg.Pool {
  const pool = new pg.Pool({ ...clientConfig(address), max, idleTimeoutMillis: IDLE_MS });
  // Whoever uses a connection that is lost has its statement fail; but an event that no one hears ends the process.
  pool.on('connect', (client) => client.on('error', (error) => noteLoss(log, error)));
  pool.on('error', (error) => noteLoss(log, error));
  return pool;
}

/**
 * Opens the database as a typed query builder over a pool of its own; end it with `closeDb`. For JSON columns pass JSON
 * text, as `JSON.stringify` makes it: the driver takes an array for one of Postgres, and a string as it is.
 */
export function createDb(options: DbOptions): Db {
  const pool = createPool(options);
  const db = new Kysely<DB>({
    dialect: new PostgresDialect({ pool }),
    // The statement has placeholders only. Its parameters may be secrets, and the error's detail may show them.
    log: (event) => {
      if (event.level !== 'error') return;
      const { code, message } = event.error as { code?: unknown; message?: unknown };
      options.log.debug({ code, reason: message, sql: event.query.sql }, 'statement failed');
    },
  });
  pools.set(db, pool);
  return db;
}

/**
 * Runs a statement that each connection prepares once: for those that come often and are quick, so that planning them is
 * most of their time (a third of it remains). Outside of transactions.
 *
 * @param name of this one text: values alone may differ
 */
export async function runPrepared<Row>(db: Db, name: string, statement: RawBuilder<Row>): Promise<Row[]> {
  const pool = pools.get(db);
  if (pool === undefined) throw new Error('the database was not opened by createDb');
  const { sql: text, parameters } = statement.compile(db);
  const { rows } = await pool.query({ name, text, values: [...parameters] });
  return rows;
}

/** Connections of a pool, and who waits for one. */
export interface PoolUse {
  readonly used: number;
  readonly idle: number;
  readonly waiting: number;
}

export function poolUse(db: Db): PoolUse {
  const pool = pools.get(db);
  if (pool === undefined) throw new Error('the database was not opened by createDb');
  return { used: pool.totalCount - pool.idleCount, idle: pool.idleCount, waiting: pool.waitingCount };
}

/** Waits for the statements under way, then closes the connections. */
export async function closeDb(db: Db): Promise<void> {
  await db.destroy();
}

/** One connection of one's own, for what needs a session; end it with `end`. */
export async function openSession(address: DbAddress, log: Log): Promise<pg.Client> {
  const client = new pg.Client(clientConfig(address));
  client.on('error', (error) => noteLoss(log, error));
  client.on('notice', (notice) => log.debug({ notice: notice.message }, 'postgres notice'));
  await client.connect();
  return client;
}

function noteLoss(log: Log, error: Error): void {
  log.debug({ reason: error.message }, 'a connection to the database is lost');
}
