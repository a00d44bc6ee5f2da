import pg from 'pg';
import { CodedError } from '../../sandbox-apis/_kit/errors.ts';
import type { Column, DatabaseService, Row, Rows, Statement } from '../../sandbox-apis/database/service.ts';
import type { DbSocket } from '../../src/db/client.ts';

export interface PlainDatabases extends DatabaseService {
  /** Statements so far. */
  readonly ran: readonly Statement[];
  /** Streams that were cancelled. */
  readonly cancelled: number;
  close(): Promise<void>;
}

/** As the core's connections to plugin databases are. */
const OPTIONS = '-c TimeZone=UTC -c DateStyle=ISO,MDY -c IntervalStyle=iso_8601';
const AS_TEXT = { getTypeParser: () => (text: string) => text } as pg.CustomTypesConfig;
/** Bytes of a chunk of a stream: so few that lines and characters are cut. */
const CHUNK = 7;

/**
 * The service of the `database` room over one database, for tests of the room alone: nothing is limited, nobody is kept
 * apart.
 */
export async function plainDatabases({ socketDir, port, user, password, database }: DbSocket): Promise<PlainDatabases> {
  const config = { host: socketDir, port, user, password, database, options: OPTIONS, types: AS_TEXT };
  const pool = new pg.Pool({ ...config, max: 4 });
  // Statements that are under way fail; the rest is a connection that ends while its database is dropped.
  const ignore = (): void => undefined;
  pool.on('error', ignore).on('connect', (client) => client.on('error', ignore));
  const { rows: arrays } = await pool.query('select oid, typelem from pg_type where typlen = -1 and typelem <> 0');
  const elements = new Map(arrays.map(({ oid, typelem }) => [Number(oid), Number(typelem)]));
  const open = new Map<number, pg.PoolClient>();
  const ran: Statement[] = [];
  let lastTransaction = 0;
  let cancelled = 0;

  const clientOf = (transaction: number): pg.PoolClient => {
    const client = open.get(transaction);
    if (client === undefined) throw new CodedError('transaction_over');
    return client;
  };
  const run = async ({ sql, params }: Statement, transaction: number | null): Promise<Rows> => {
    ran.push({ sql, params });
    const client = transaction === null ? pool : clientOf(transaction);
    const query = { text: sql, values: [...params], rowMode: 'array' as const, queryMode: 'extended' };
    const { fields, rows, rowCount, command } = await client.query(query).catch(asRefusal);
    return { columns: fields.map(toColumn), rows: rows as Row[], count: rowCount ?? 0, command };
  };
  const toColumn = ({ name, dataTypeID: type }: pg.FieldDef): Column => {
    const element = elements.get(type);
    return { name, type, ...(element === undefined ? {} : { element }) };
  };
  const end = async (transaction: number, how: string): Promise<void> => {
    const client = clientOf(transaction);
    open.delete(transaction);
    const { command } = await client.query(how);
    client.release();
    if (command !== how) throw new CodedError('database_error', 'it was rolled back', { sqlstate: '25P02' });
  };

  return {
    ran,
    get cancelled() {
      return cancelled;
    },
    run: (_caller, statement, transaction) => run(statement, transaction),
    async stream(_caller, statement, transaction) {
      const { columns, rows } = await run(statement, transaction);
      const bytes = Buffer.from(rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
      let at = 0;
      const stream = new ReadableStream<Uint8Array>(
        {
          pull(controller) {
            if (at >= bytes.length) controller.close();
            else controller.enqueue(new Uint8Array(bytes.subarray(at, at + CHUNK)));
            at += CHUNK;
          },
          cancel() {
            cancelled += 1;
          },
        },
        { highWaterMark: 0 },
      );
      return { columns, rows: stream };
    },
    async begin(_caller, { isolation, readOnly }) {
      const client = await pool.connect();
      await client.query(`begin isolation level ${isolation} ${readOnly ? 'read only' : 'read write'}`);
      lastTransaction += 1;
      open.set(lastTransaction, client);
      return lastTransaction;
    },
    commit: (_caller, transaction) => end(transaction, 'COMMIT'),
    rollback: (_caller, transaction) => end(transaction, 'ROLLBACK'),
    migrate: async (_caller, sql) => {
      await pool.query(sql);
      return true;
    },
    close: () => pool.end(),
  };
}

function asRefusal(error: unknown): never {
  if (!(error instanceof pg.DatabaseError)) throw error;
  const { code: sqlstate, constraint, detail } = error;
  throw new CodedError('database_error', error.message, { sqlstate, constraint, detail });
}
